/* SPDX-License-Identifier: MIT */
/* The indexes that a node knows. A call walks over them: each entry once, each address of an entry
 * once, and at the end those that were merely slow once more. One current entry is shared by all
 * calls: whoever finds it dead moves it on, so that the next call does not pay again. Knows nothing
 * of joins or searches, and keeps no connection of its own. Names are looked up by a worker, when
 * they are first needed and again after all their addresses failed. Loop thread. */
#include "node/directory.h"

#include "base/addr.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { DIRECTORY_RESOLVED_MAX = 4 }; /* addresses of one name: both families, two interfaces */

struct directory_entry {
    struct worker_job
        job; /* the look-up; the worker writes found and found_count, and reads host and port */
    struct directory *directory;
    char host[P2P_HOST_MAX + 1];
    uint16_t port;
    bool literal, stale, resolving;
    int count, found_count;
    struct plat_addr address[DIRECTORY_RESOLVED_MAX], found[DIRECTORY_RESOLVED_MAX];
};

struct directory {
    struct directory_config config;
    struct directory_entry entries[P2P_INDEXES_MAX];
    int count, current;
    struct plat_addr answered, local;
    struct directory_call *calls; /* all that are under way */
    bool closed;
};

/* ---- the list ---- */

static bool directory_is_mdns(const char *host)
{
    struct str text = text_from(host);
    if (text_ends(text, STR(".")))
        text.len--;
    return text.len > 6 && text_is_nocase(text_from_byte(text, text.len - 6), ".local");
}

/* NULL, or what is wrong with one item. */
static const char *directory_parse(struct str item, struct directory_entry *out)
{
    memset(out, 0, sizeof(*out));
    if (addr_parse(item, P2P_PORT_INDEX, &out->address[0]) == 0) {
        out->literal = true;
        out->count = 1;
        out->port = out->address[0].port;
        char text[ADDR_TEXT_MAX];
        text_copy(text_from(addr_format_ip(&out->address[0], text)), out->host, sizeof(out->host));
        return out->port ? NULL : "port 0 is no port; write 1 to 65535";
    }
    if (addr_split_host(item, P2P_PORT_INDEX, out->host, &out->port) || out->port == 0)
        return "not HOST or HOST:PORT";
    if (directory_is_mdns(out->host))
        return "names ending in .local are not looked up; write the index's IP address";
    return NULL;
}

const char *directory_fault(struct str indexes, char *out, size_t size)
{
    struct directory_entry entry;
    struct str item;
    int count = 0;
    while (text_split(&indexes, ',', &item)) {
        item = text_trim(item);
        if (item.len == 0)
            continue;
        const char *fault = directory_parse(item, &entry);
        if (!fault && ++count > P2P_INDEXES_MAX)
            fault = "too many indexes; name 16 at most";
        if (fault) {
            snprintf(out, size, "%.*s: %s", (int)text_first(item, P2P_HOST_MAX).len, item.ptr,
                     fault);
            return out;
        }
    }
    return NULL;
}

/* The same host and port, or an address that a known name has. */
static bool directory_knows(const struct directory *d, const struct directory_entry *entry)
{
    for (int i = 0; i < d->count; i++) {
        const struct directory_entry *known = &d->entries[i];
        if (known->port == entry->port && strcmp(known->host, entry->host) == 0)
            return true;
        for (int j = 0; entry->literal && j < known->count; j++) {
            if (addr_equal(&known->address[j], &entry->address[0]))
                return true;
        }
    }
    return false;
}

/* A link-local address without its interface leads nowhere. */
static bool directory_is_useless(const struct directory_entry *entry)
{
    return entry->literal && addr_is_link_local(&entry->address[0]) &&
           entry->address[0].family == 6 && entry->address[0].scope == 0;
}

void directory_learn(struct directory *d, struct str host_port)
{
    struct directory_entry entry;
    if (d->count == P2P_INDEXES_MAX || directory_parse(text_trim(host_port), &entry) ||
        directory_is_useless(&entry) || directory_knows(d, &entry))
        return;
    entry.directory = d;
    d->entries[d->count++] = entry;
}

int directory_init(struct directory **out, struct arena *arena,
                   const struct directory_config *config)
{
    char fault[32];
    struct str indexes = config->indexes, item;
    if (directory_fault(indexes, fault, sizeof(fault)))
        return -P2P_EINVAL;
    struct directory *d = arena_carve(arena, sizeof(*d), _Alignof(struct directory));
    if (!d)
        return -P2P_EFULL;
    d->config = *config;
    d->config.indexes = (struct str){NULL, 0}; /* the entries are the copy */
    while (text_split(&indexes, ',', &item))
        directory_learn(d, item);
    if (d->count > 0)
        d->current = (int)(config->start % (uint32_t)d->count);
    *out = d;
    return 0;
}

int directory_count(const struct directory *d)
{
    return d->count;
}

const struct plat_addr *directory_current(const struct directory *d)
{
    return &d->answered;
}

const struct plat_addr *directory_local(const struct directory *d)
{
    return &d->local;
}

void directory_describe(const struct directory *d, struct buf *buf)
{
    for (int i = 0; i < d->count; i++) {
        const struct directory_entry *entry = &d->entries[i];
        char text[ADDR_TEXT_MAX];
        if (i > 0)
            buf_put(buf, STR(", "));
        if (entry->literal)
            buf_put_text(buf, addr_format(&entry->address[0], text));
        else
            buf_printf(buf, "%s:%u", entry->host, (unsigned)entry->port);
    }
}

void directory_move_on(struct directory *d)
{
    if (d->count > 0)
        d->current = (d->current + 1) % d->count;
}

/* ---- calls under way ---- */

static void directory_link(struct directory *d, struct directory_call *call)
{
    call->prev = NULL;
    call->next = d->calls;
    if (d->calls)
        d->calls->prev = call;
    d->calls = call;
    call->directory = d;
}

static void directory_unlink(struct directory_call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        call->directory->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    call->directory = NULL;
}

/* The connection of this try is not needed any more, and neither is its patience. */
static void directory_hang_up(struct directory_call *call)
{
    loop_stop_timer(call->directory->config.loop, &call->timer);
    if (call->client)
        client_close(call->client);
    call->client = NULL;
}

void directory_cancel(struct directory_call *call)
{
    if (!call->directory)
        return;
    directory_hang_up(call);
    directory_unlink(call);
}

void directory_close(struct directory *d)
{
    d->closed = true;
    while (d->calls)
        directory_cancel(d->calls);
}

static void directory_finish(struct directory_call *call, int result)
{
    directory_unlink(call);
    call->request.handlers->on_done(call->request.ctx, result);
}

/* ---- names ---- */

static void directory_look_up(struct worker_job *job)
{
    struct directory_entry *entry = (struct directory_entry *)job; /* its first member */
    entry->found_count =
        plat_resolve(entry->host, entry->port, entry->found, DIRECTORY_RESOLVED_MAX);
}

static void directory_proceed(struct directory_call *call, int error);

/* A call that waits has no client. Its handlers may end other calls: so the list is looked through
 * anew each time. */
static struct directory_call *directory_waiting(struct directory *d, int entry)
{
    struct directory_call *call = d->calls;
    while (call && (call->client || call->entry != entry))
        call = call->next;
    return call;
}

static void directory_looked_up(struct worker_job *job)
{
    struct directory_entry *entry = (struct directory_entry *)job;
    struct directory *d = entry->directory;
    struct directory_call *call;
    int error = entry->found_count < 0 ? entry->found_count : 0;
    if (d->closed)
        return;
    entry->resolving = false;
    entry->stale = error != 0;
    entry->count = error ? 0 : entry->found_count;
    memcpy(entry->address, entry->found, sizeof(entry->address));
    /* Calls that come back to this entry while this runs start another look-up and wait for that
     * one. */
    while (!entry->resolving && (call = directory_waiting(d, (int)(entry - d->entries))))
        directory_proceed(call, error);
}

/* 0: the addresses will come; the call waits for them. */
static int directory_resolve(struct directory *d, struct directory_entry *entry)
{
    if (!d->config.background)
        return -P2P_ENOTFOUND;
    if (entry->resolving)
        return 0;
    entry->resolving = true;
    entry->job = (struct worker_job){
        .work = directory_look_up, .done = directory_looked_up, .home = d->config.loop};
    worker_submit(d->config.background, &entry->job);
    return 0;
}

/* ---- one try ---- */

static bool directory_has_more(const struct directory_call *call)
{
    return !call->produced && (call->tried < call->directory->count || call->silent);
}

static void directory_on_head(void *ctx, const struct http_head *head)
{
    struct directory_call *call = ctx;
    struct directory *d = call->directory;
    const struct client_handlers *to = call->request.handlers;
    bool is_index = head->header[HTTP_HEADER_P2P_NODE].ptr != NULL;
    if (!is_index || (head->status == 503 && directory_has_more(call))) {
        directory_hang_up(call);
        directory_proceed(call, is_index ? -P2P_EBUSY : -P2P_EPROTO);
        return;
    }
    loop_stop_timer(d->config.loop, &call->timer);
    call->headed = true;
    d->current = call->entry;
    d->answered = d->entries[call->entry].address[call->address];
    client_local_addr(call->client, &d->local);
    if (to->on_head)
        to->on_head(call->request.ctx, head);
}

static void directory_on_body(void *ctx, struct str bytes)
{
    struct directory_call *call = ctx;
    call->request.handlers->on_body(call->request.ctx, bytes);
}

static void directory_on_line(void *ctx, struct str line)
{
    struct directory_call *call = ctx;
    call->request.handlers->on_line(call->request.ctx, line);
}

static void directory_produce(void *ctx, struct buf *room, bool *out_end)
{
    struct directory_call *call = ctx;
    call->produced = true;
    call->request.produce(call->request.ctx, room, out_end);
}

static void directory_on_done(void *ctx, int result)
{
    struct directory_call *call = ctx;
    struct directory *d = call->directory;
    if (result || !call->keep)
        directory_hang_up(call);
    if (!call->headed) {
        directory_proceed(call, result);
        return;
    }
    if (result && d->current == call->entry)
        directory_move_on(d);
    directory_finish(call, result);
}

/* Silent for too long, connecting included. */
static void directory_on_time(void *ctx)
{
    struct directory_call *call = ctx;
    directory_hang_up(call);
    directory_proceed(call, -P2P_ETIMEOUT);
}

/* Without room for the timer the request's own timeout has to do. */
static void directory_set_timer(struct directory_call *call)
{
    struct directory *d = call->directory;
    call->timer.on_time = directory_on_time;
    call->timer.ctx = call;
    if (d->config.silent_ms > 0 && !call->last)
        (void)loop_set_timer(d->config.loop, &call->timer,
                             loop_now_ms(d->config.loop) + d->config.silent_ms);
}

/* The request with our handlers before the caller's. */
static int directory_open(struct directory_call *call, const struct plat_addr *addr)
{
    struct client_request request = call->request;
    int error = 0;
    call->client = client_open(call->directory->config.pool, addr, &error);
    if (!call->client)
        return error;
    call->handlers = (struct client_handlers){
        .on_head = directory_on_head,
        .on_body = call->request.handlers->on_body ? directory_on_body : NULL,
        .on_line = call->request.handlers->on_line ? directory_on_line : NULL,
        .on_done = directory_on_done,
    };
    request.handlers = &call->handlers;
    request.ctx = call;
    request.produce = request.produce ? directory_produce : NULL;
    error = client_send(call->client, &request);
    if (error)
        directory_hang_up(call);
    else
        directory_set_timer(call);
    return error;
}

static int directory_try(struct directory_call *call)
{
    struct directory *d = call->directory;
    struct directory_entry *entry = &d->entries[call->entry];
    if (!entry->literal && (entry->count == 0 || (entry->stale && call->address == 0)))
        return directory_resolve(d, entry);
    if (call->address >= entry->count) /* another look-up found fewer */
        return -P2P_EUNREACH;
    return directory_open(call, &entry->address[call->address]);
}

/* ---- from one to the next ---- */

/* False when everybody had their turn. */
static bool directory_next(struct directory_call *call, int error)
{
    struct directory *d = call->directory;
    struct directory_entry *entry = &d->entries[call->entry];
    if (call->produced)
        return false;
    if (call->address + 1 < entry->count) {
        call->address++;
        return true;
    }
    entry->stale = true;
    call->address = 0;
    if (error == -P2P_ETIMEOUT && !call->last && d->config.silent_ms > 0)
        call->silent |= 1u << call->entry;
    if (d->current == call->entry)
        directory_move_on(d);
    if (call->tried < d->count) {
        call->tried++;
        call->entry = (call->entry + 1) % d->count;
        return true;
    }
    call->last = true;
    call->entry = 0;
    while (call->entry < d->count && !(call->silent & (1u << call->entry)))
        call->entry++;
    if (call->entry == d->count)
        return false;
    call->silent &= ~(1u << call->entry);
    return true;
}

static int directory_advance(struct directory_call *call)
{
    int error = directory_try(call);
    while (error && directory_next(call, error))
        error = directory_try(call);
    return error;
}

/* After a try that failed with error, or (0) when the addresses of its entry have come. */
static void directory_proceed(struct directory_call *call, int error)
{
    if (error && !directory_next(call, error)) {
        directory_finish(call, error);
        return;
    }
    error = directory_advance(call);
    if (error)
        directory_finish(call, error);
}

int directory_send(struct directory *d, struct directory_call *call)
{
    assert(!call->request.handlers->sink && call->request.handlers->on_done);
    call->client = NULL;
    call->timer = (struct loop_timer){.place = 0};
    call->address = 0;
    call->silent = 0;
    call->headed = call->produced = false;
    call->entry = d->current;
    call->tried = 1;
    call->last = d->count == 1;
    if (d->count == 0)
        return -P2P_EUNREACH;
    directory_link(d, call);
    int error = directory_advance(call);
    if (error)
        directory_unlink(call);
    return error;
}
