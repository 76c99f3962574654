/* SPDX-License-Identifier: MIT */
/* get: each WHAT becomes files (in portions), these are hashed where they are not yet, looked for
 * in the target folder, fetched in a batch when they are small, and one by one when they are not or
 * when the batch did not get them. What is asked for is a content; from then on its SHA-256 says
 * what is right, whoever sends it. */
#include "ui/get.h"

#include "base/log.h"
#include "base/text.h"
#include "platform/plat.h"
#include "swarm/haul.h"
#include "ui/again.h"
#include "ui/aim.h"
#include "ui/engine.h"
#include "ui/linger.h"
#include "ui/live.h"
#include "ui/local.h"
#include "ui/outcome.h"
#include "ui/pick.h"
#include "ui/progress.h"
#include "ui/unhashed.h"

#include <stdio.h>
#include <string.h>

enum {
    GET_TICK_MS = 200,   /* of the progress lines */
    GET_AGAIN_MS = 1000, /* a file that was only touched is soon hashed again */
    GET_TOLD_MS = 10     /* looks whether the index was told */
};

enum get_stage {
    GET_PICKING,
    GET_WAITING,
    GET_HASHING,
    GET_ORDERING,
    GET_FETCHING,
    GET_TO_STDOUT,
    GET_LINGERING,
    GET_OVER
};

struct get {
    struct session session;
    enum get_stage stage;
    struct pick pick;
    struct unhashed unhashed;
    struct local local;
    struct live live;
    struct engine engine;
    struct aim aim;
    struct outcome outcome;
    struct again again;
    struct wanted *files; /* of this portion */
    struct local_name *names;
    uint32_t count;
    int64_t begun_ms;
    struct loop_timer tick, pause;
    struct loop_post step;            /* to the next WHAT */
    const struct wanted *in_transfer; /* when it was interrupted */
    struct linger linger;
    bool summed; /* the only file has had its summary */
    int what;    /* the next one */
    bool more;   /* of this WHAT */
};

/* --- from one to the next ------------------------------------------------------------------ */

static const char *shown(const struct get *get, const struct wanted *file,
                         char out[static AIM_SHOWN_MAX])
{
    return aim_shown(&get->aim, file->path, out);
}

static bool tells_more(const struct get *get)
{
    const struct command_line *line = get->session.line;

    return line->verbose || (get->outcome.on_terminal && !line->quiet);
}

/* What is here is served on for a while, where that is asked for. */
static void end(struct get *get)
{
    get->stage = get->session.interrupted ? GET_OVER : GET_LINGERING;
    loop_stop_timer(get->session.loop, &get->tick);
    progress_clear(&get->outcome.lines);
    if (get->session.interrupted) {
        outcome_note(&get->outcome, get->session.interrupted_status);
    }
    if (!get->summed && get->outcome.source_count > 0 && tells_more(get)) {
        outcome_summary(&get->outcome, loop_now_ms(get->session.loop) - get->begun_ms);
    }
    linger_begin(&get->linger, &get->engine, get->outcome.status);
}

/* The same WHAT once more, for what has changed; when the index no longer names this very command
 * as a holder of what it gave up. */
static void pick_again(void *ctx)
{
    struct get *get = ctx;
    struct loop *loop = get->session.loop;

    if (get->engine.guest != NULL && guest_is_telling(get->engine.guest) &&
        loop_set_timer(loop, &get->pause, loop_now_ms(loop) + GET_TOLD_MS) == 0) {
        return;
    }
    get->stage = GET_PICKING;
    again_turn(&get->again);
    pick_begin(&get->pick, get->pick.what);
}

/* Its holders may only have touched a content: give them the time to hash it. */
static void try_again(struct get *get)
{
    struct loop *loop = get->session.loop;
    int64_t wait_ms = get->pick.kind == PICK_CONTENT ? GET_AGAIN_MS : 0;

    get->stage = GET_WAITING;
    if (get->engine.guest != NULL) {
        guest_look(get->engine.guest);
    }
    get->pause = (struct loop_timer){.on_time = pick_again, .ctx = get};
    if (loop_set_timer(loop, &get->pause, loop_now_ms(loop) + wait_ms) != 0) {
        pick_again(get);
    }
}

static void say_missing(struct get *get)
{
    struct str path;

    while (get->pick.kind != PICK_CONTENT && (path = again_missing(&get->again)).len > 0) {
        outcome_failed(&get->outcome, path.ptr, "it was removed while it was fetched",
                       P2P_EXIT_NOT_FOUND);
    }
}

/* From the loop, so that a thousand words that mean nothing are no thousand frames of the stack. */
static void on_step(void *ctx)
{
    struct get *get = ctx;

    if (get->session.interrupted || get->stage >= GET_LINGERING) {
        return;
    }
    get->stage = GET_PICKING;
    get->count = 0;
    progress_clear(&get->outcome.lines);
    if (get->more) {
        pick_on(&get->pick);
        return;
    }
    say_missing(get);
    if (again_is_due(&get->again)) {
        try_again(get);
    } else if (get->what < get->session.line->count) {
        again_reset(&get->again);
        pick_begin(&get->pick, text_from(get->session.line->words[get->what++]));
    } else {
        end(get);
    }
}

static void step(struct get *get)
{
    get->step = (struct loop_post){.run = on_step, .ctx = get};
    loop_defer(get->session.loop, &get->step);
}

/* --- the portion --------------------------------------------------------------------------- */

/* The other contents of a name, so that nobody wonders which one came. */
static void name_other(const struct merge_entry *entry)
{
    char hex[2 * P2P_SHA256_SIZE + 1], size[32];
    struct buf buf = buf_on(size, sizeof size - 1);

    buf_put_size(&buf, (uint64_t)entry->size);
    size[buf.len] = 0;
    text_hex_encode(entry->content.bytes, sizeof entry->content, hex);
    session_say("%.*s also means %s (%s, %u holder%s); get it by its SHA-256", (int)entry->path.len,
                entry->path.ptr, hex, size, entry->holders, entry->holders == 1 ? "" : "s");
}

static void add_file(struct get *get, const struct merge_entry *entry, uint32_t number)
{
    const struct pick_holders *holders = &get->pick.holders[number];
    struct wanted *file = &get->files[get->count];

    get->names[get->count++] = (struct local_name){entry->path, entry->owner};
    *file = (struct wanted){.content = entry->content,
                            .size = entry->size,
                            .mtime = entry->mtime,
                            .executable = entry->executable,
                            .hashed = entry->hashed,
                            .path = get->aim.is_file ? text_from(get->aim.name)
                                                     : pick_place(&get->pick, entry->path),
                            .source_count = holders->count,
                            .giver = -1,
                            .result = WANTED_OPEN};
    memcpy(file->source, holders->source, sizeof file->source);
}

/* In a further try, only what changed in the one before. */
static bool is_wanted(struct get *get, const struct merge_entry *entry)
{
    return get->pick.kind == PICK_CONTENT || again_take(&get->again, entry->path);
}

static void collect(struct get *get)
{
    for (uint32_t i = 0; i < merge_count(get->pick.merge); i++) {
        bool is_other;
        const struct merge_entry *entry = pick_file(&get->pick, i, &is_other);
        if (entry != NULL && is_wanted(get, entry)) {
            add_file(get, entry, i);
        } else if (entry == NULL && is_other && !get->session.line->quiet) {
            name_other(merge_at(get->pick.merge, i));
        }
    }
}

/* -o names one file: are there more? */
static bool is_too_much(struct get *get)
{
    const struct command_line *line = get->session.line;

    if (!get->aim.is_file || (line->count == 1 && get->count <= 1 && !get->more)) {
        return false;
    }
    if (get->aim.is_stdout) {
        session_say("standard output takes one file, and this is more than one");
    } else {
        session_say("%s: not a folder, and more than one file is to be written; end it in / to "
                    "make one",
                    line->output);
    }
    outcome_note(&get->outcome, P2P_EXIT_USAGE);
    end(get);
    return true;
}

static struct str path_of(void *ctx, const struct wanted *file)
{
    const struct get *get = ctx;

    return get->names[file - get->files].path;
}

/* The get ends before a WHAT, and so do those after it. */
static void miss_from(struct get *get, int what, const char *reason, int status)
{
    const struct command_line *line = get->session.line;

    for (; what < line->count; what++) {
        outcome_missed(&get->outcome, text_from(line->words[what]), reason, status);
    }
}

static void on_picked(void *ctx, int status, bool more)
{
    struct get *get = ctx;

    outcome_note(&get->outcome, get->pick.walk.cut ? P2P_EXIT_FAILED : 0);
    outcome_note(&get->outcome, status);
    get->more = more;
    if (status == P2P_EXIT_NO_INDEX) {
        miss_from(get, get->what - 1, "no index answers", status);
        end(get);
        return;
    }
    if (status == P2P_EXIT_NOT_FOUND) {
        again_reset(&get->again); /* and it was said */
        outcome_missed(&get->outcome, get->pick.what,
                       get->pick.answered < get->pick.asked
                           ? "not found; some super-peers did not answer"
                           : "nobody offers it",
                       status);
    }
    if (status == 0 || get->pick.truncated) {
        collect(get);
    }
    if (is_too_much(get)) {
        return;
    }
    get->stage = GET_HASHING;
    get->unhashed.files = get->files;
    get->unhashed.count = get->count;
    get->unhashed.sources = get->pick.sources;
    unhashed_begin(&get->unhashed);
}

/* --- how they end -------------------------------------------------------------------------- */

/* Others may have what is here of it, also when the tables are another portion's. */
static void note_in_pieces(struct get *get, const struct wanted *file)
{
    if (file != NULL) {
        const struct local_name *name = &get->names[file - get->files];
        linger_note(&get->linger, file, name->path, &name->owner);
    }
}

static void say_here(struct get *get, const struct wanted *file,
                     const struct transfer_progress *transfer)
{
    char name[AIM_SHOWN_MAX];
    struct outcome_file here = {.file = file,
                                .shown = shown(get, file, name),
                                .progress = transfer,
                                .giver = file->giver >= 0 ? &get->pick.sources[file->giver] : NULL};

    note_in_pieces(get, transfer != NULL ? file : NULL);
    outcome_here(&get->outcome, &here);
    if (transfer != NULL && tells_more(get) && (get->count == 1 || get->session.line->verbose)) {
        progress_summary(here.shown, transfer);
        get->summed = get->outcome.files == 1;
    }
}

static void say_failed(struct get *get, const struct wanted *file, const char *name)
{
    outcome_failed(&get->outcome, name,
                   file->reason != NULL ? file->reason : log_error(file->result),
                   outcome_status(file->result));
}

/* It changed while it was fetched, and will be looked up once more. */
static bool is_to_come_again(struct get *get, const struct wanted *file)
{
    struct str path = path_of(get, file);

    if (file->result != -P2P_ECHANGED || !again_note(&get->again, path)) {
        return false;
    }
    progress_clear(&get->outcome.lines);
    if (!get->session.line->quiet) {
        session_say("%.*s: changed while it was fetched; once more", (int)path.len, path.ptr);
    }
    return true;
}

static void on_file(void *ctx, struct wanted *file, const struct transfer_progress *transfer)
{
    struct get *get = ctx;
    char name[AIM_SHOWN_MAX];

    if (is_to_come_again(get, file)) {
        return;
    }
    if (file->result == 0) {
        say_here(get, file, transfer);
    } else {
        say_failed(get, file, shown(get, file, name));
    }
}

static void say_interrupted(struct get *get)
{
    char name[AIM_SHOWN_MAX], size[32];
    struct buf buf = buf_on(size, sizeof size - 1);
    int64_t kept = haul_kept(get->engine.haul);

    buf_put_size(&buf, (uint64_t)kept);
    size[buf.len] = 0;
    if (kept > 0) {
        session_say("interrupted; %s of %s are kept, the next get goes on from there", size,
                    shown(get, get->in_transfer, name));
    } else {
        session_say("interrupted; what is not whole is not kept");
    }
}

static void on_fetched(void *ctx, int synced)
{
    struct get *get = ctx;

    for (uint32_t i = 0; i < get->pick.source_count; i++) {
        outcome_blame(&get->outcome, &get->pick.sources[i]);
    }
    if (synced != 0) {
        session_say("the disk does not say that all is written: %s", log_error(synced));
        outcome_note(&get->outcome, P2P_EXIT_FAILED);
    }
    if (get->session.interrupted) {
        say_interrupted(get);
        end(get);
    } else {
        step(get);
    }
}

static void fetch(struct get *get)
{
    struct haul_want want = {.root = get->aim.root,
                             .replace = get->session.line->force,
                             .constant = get->pick.kind == PICK_CONTENT,
                             .lasting = linger_ms(&get->session) != 0,
                             .files = get->files,
                             .count = get->count,
                             .sources = get->pick.sources,
                             .source_count = get->pick.source_count,
                             .on_file = on_file,
                             .done = on_fetched,
                             .ctx = get};

    get->stage = GET_FETCHING;
    haul_start(get->engine.haul, &want);
}

/* --- as the work of this machine's node ---------------------------------------------------- */

static void on_answer(void *ctx, const struct local_answer *answer)
{
    struct get *get = ctx;
    const struct wanted *file = answer->file;
    struct str path = path_of(get, file);
    struct outcome_file here = {.file = file, .shown = answer->path, .progress = answer->transfer};

    if (is_to_come_again(get, file)) {
        return;
    }
    progress_clear(&get->outcome.lines);
    if (file->result != 0) {
        char name[P2P_PATH_MAX + 1];
        text_copy(path, name, sizeof name);
        say_failed(get, file, answer->path != NULL ? answer->path : name);
        return;
    }
    if (answer->here && !get->session.line->quiet) {
        session_say("%.*s: already here, as %s", (int)path.len, path.ptr, answer->path);
    }
    outcome_here(&get->outcome, &here);
    if (!file->was_there && tells_more(get) && (get->count == 1 || get->session.line->verbose)) {
        progress_summary(answer->path, answer->transfer);
        get->summed = get->outcome.files == 1;
    }
}

/* refused: the node cannot, so the command does it itself. */
static void on_ordered(void *ctx, bool refused)
{
    struct get *get = ctx;

    if (refused) {
        fetch(get);
    } else {
        step(get);
    }
}

static void order(struct get *get)
{
    struct local *local = &get->local;

    local->session = &get->session;
    local->force = get->session.line->force;
    local->files = get->files;
    local->count = get->count;
    local->sources = get->pick.sources;
    local->names = get->names;
    local->on_file = on_answer;
    local->done = on_ordered;
    local->ctx = get;
    get->stage = GET_ORDERING;
    local_begin(local);
}

/* --- to stdout ----------------------------------------------------------------------------- */

static void on_live_done(void *ctx, struct wanted *file, const struct transfer_progress *progress)
{
    struct get *get = ctx;
    struct str path = path_of(get, file);
    char name[P2P_PATH_MAX + 1];

    text_copy(path, name, sizeof name);
    note_in_pieces(get, file); /* whose bytes are served on if all of them came */
    if (file->result == -P2P_EAGAIN) {
        end(get);
        return;
    }
    if (file->result == -P2P_ECLOSED) {
        outcome_note(&get->outcome, P2P_EXIT_FAILED); /* the reader has had enough */
    } else if (file->result != 0) {
        say_failed(get, file, name);
    } else if (get->session.line->verbose) {
        progress_summary(name, progress);
    }
    step(get);
}

/* There is one file at most. */
static void to_stdout(struct get *get)
{
    struct wanted *file = &get->files[0];

    if (get->count == 0 || file->result != WANTED_OPEN) {
        step(get);
        return;
    }
    get->live.session = &get->session;
    get->live.transfer = haul_transfer(get->engine.haul);
    get->live.stream = get->session.line->stream;
    get->live.done = on_live_done;
    get->live.ctx = get;
    live_begin(&get->live, file, get->pick.sources);
}

static void on_hashed(void *ctx)
{
    struct get *get = ctx;

    if (get->session.interrupted) {
        return;
    }
    for (uint32_t i = 0; i < get->count; i++) {
        struct wanted *file = &get->files[i];
        if (file->result != WANTED_OPEN) {
            on_file(get, file, NULL);
        }
    }
    if (get->aim.is_stdout) {
        get->stage = GET_TO_STDOUT;
        to_stdout(get);
    } else if (get->session.line->output == NULL && local_is_there(&get->session)) {
        order(get);
    } else {
        fetch(get);
    }
}

/* --- the command --------------------------------------------------------------------------- */

static void on_interrupt(void *ctx)
{
    struct get *get = ctx;
    struct haul_progress progress;

    progress_clear(&get->outcome.lines);
    switch (get->stage) {
    case GET_PICKING:
        pick_stop(&get->pick);
        end(get);
        break;
    case GET_WAITING:
        loop_stop_timer(get->session.loop, &get->pause);
        end(get);
        break;
    case GET_HASHING:
        unhashed_stop(&get->unhashed);
        end(get);
        break;
    case GET_ORDERING:
        local_stop(&get->local);
        session_say("interrupted; the node of this machine stops, too");
        end(get);
        break;
    case GET_TO_STDOUT:
        live_stop(&get->live);
        break;
    case GET_FETCHING:
        haul_progress(get->engine.haul, &progress);
        get->in_transfer = progress.file;
        haul_stop(get->engine.haul);
        break;
    case GET_LINGERING:
        linger_stop(&get->linger);
        get->stage = GET_OVER;
        break;
    case GET_OVER:
        break;
    }
}

/* The file in transfer, or the one that was last, as others are told of it. */
static bool about(void *ctx, struct record_offer *out)
{
    struct get *get = ctx;
    struct haul_progress progress;

    if (get->stage == GET_TO_STDOUT) {
        note_in_pieces(get, &get->files[0]);
    } else if (get->stage == GET_FETCHING) {
        haul_progress(get->engine.haul, &progress);
        note_in_pieces(get, progress.file);
    }
    return linger_offer(&get->linger, out);
}

static void on_tick(void *ctx)
{
    struct get *get = ctx;
    struct haul_progress progress;
    char name[AIM_SHOWN_MAX], text[512];
    struct buf buf = buf_on(text, sizeof text);

    if (get->stage == GET_FETCHING) {
        haul_progress(get->engine.haul, &progress);
        progress_show(&get->outcome.lines,
                      progress.file != NULL ? shown(get, progress.file, name) : "", &progress);
    } else if (get->stage == GET_ORDERING && get->local.progress.count > 0) {
        const struct wanted *file = get->local.progress.file;
        progress_show(&get->outcome.lines, file != NULL ? shown(get, file, name) : "",
                      &get->local.progress);
    } else if (get->stage == GET_HASHING) {
        unhashed_describe(&get->unhashed, &buf);
        progress_show_text(&get->outcome.lines, &buf);
    }
    loop_set_timer(get->session.loop, &get->tick, loop_now_ms(get->session.loop) + GET_TICK_MS);
}

static int set_up(struct get *get)
{
    struct arena *arena = &get->session.arena;
    int error = pick_init(&get->pick, arena);

    get->files = arena_carve(arena, PICK_FILES * sizeof *get->files, 8);
    get->names = arena_carve(arena, PICK_FILES * sizeof *get->names, 8);
    if (error != 0 || get->files == NULL || get->names == NULL) {
        return -P2P_EFULL;
    }
    get->engine.about = about;
    get->engine.ctx = get;
    return engine_open(&get->engine, &get->session);
}

static void connect_parts(struct get *get)
{
    const struct command_line *line = get->session.line;

    get->session.on_interrupt = on_interrupt;
    get->session.interrupt_ctx = get;
    get->pick.session = get->unhashed.session = &get->session;
    get->pick.done = on_picked;
    get->unhashed.path = path_of;
    get->unhashed.done = on_hashed;
    get->pick.ctx = get->unhashed.ctx = get;
    get->tick = (struct loop_timer){.on_time = on_tick, .ctx = get};
    get->outcome.style = get->aim.is_stdout ? PRINT_TABS : print_style(line->json);
    get->outcome.on_terminal = plat_is_terminal(2);
}

static int run(struct get *get)
{
    const struct command_line *line = get->session.line;
    const char *output = line->stream && line->output == NULL ? "-" : line->output;
    int error = aim_open(&get->aim, output);

    connect_parts(get);
    if (line->stream && !get->aim.is_stdout) {
        session_say("--stream writes to standard output; leave -o out");
        return P2P_EXIT_USAGE;
    }
    if (error != 0) {
        const char *reason = plat_reason();
        session_say("%s: %s", line->output != NULL ? line->output : ".", reason);
        miss_from(get, 0, reason, P2P_EXIT_FAILED);
        return P2P_EXIT_FAILED;
    }
    error = set_up(get);
    if (error != 0) {
        const char *reason =
            error == -P2P_EMFILE
                ? "too few file descriptors for a download; allow more with ulimit -n 64"
                : "not enough memory; give more with --memory";
        session_say("%s", reason);
        miss_from(get, 0, reason, P2P_EXIT_FAILED);
        return P2P_EXIT_FAILED;
    }
    if (get->outcome.on_terminal && !line->quiet) {
        on_tick(get);
    }
    get->begun_ms = loop_now_ms(get->session.loop);
    step(get);
    return session_run(&get->session);
}

static void close_get(struct get *get)
{
    engine_close(&get->engine);
    aim_close(&get->aim);
    session_close(&get->session);
}

int get_run(struct command_line *line)
{
    static struct get get;

    memset(&get, 0, sizeof get); /* of the command before, at a prompt */
    get.aim.root = -1;
    int status = session_open(&get.session, line);
    if (status == 0) {
        status = run(&get);
    }
    close_get(&get);
    return status;
}
