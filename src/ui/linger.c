/* SPDX-License-Identifier: MIT */
/* Nobody is waited for who still fetches when the time is over. First thread. */
#include "ui/linger.h"

#include "base/text.h"
#include "ui/local.h"

#include <stdio.h>

static void on_left(void *ctx)
{
    struct linger *linger = ctx;

    session_end(linger->engine->session, linger->status);
}

void linger_stop(struct linger *linger)
{
    struct guest *guest = linger->engine->guest;

    loop_stop_timer(linger->engine->session->loop, &linger->timer);
    if (guest != NULL && guest_is_in(guest)) {
        guest_leave(guest, on_left, linger);
    } else {
        on_left(linger);
    }
}

static void on_time(void *ctx)
{
    linger_stop(ctx);
}

int64_t linger_ms(const struct session *session)
{
    struct str set = config_text(&session->line->settings, "transfer.linger");
    int64_t ms = 0;

    return text_is(set, "forever") ? -1 : text_to_ms(set, &ms) == 0 ? ms : 0;
}

static bool has_something(const struct linger *linger)
{
    const struct engine *engine = linger->engine;

    return !engine->session->interrupted && engine->guest != NULL && engine->haul != NULL &&
           held_percent(haul_held(engine->haul)) == 100 && linger->any &&
           held_is_of(haul_held(engine->haul), linger->file.content.bytes);
}

void linger_note(struct linger *linger, const struct wanted *file, struct str path,
                 const struct record_id *owner)
{
    linger->any = text_copy(path, linger->path, sizeof linger->path) == 0;
    linger->file = *file;
    linger->owner = *owner;
}

bool linger_offer(const struct linger *linger, struct record_offer *out)
{
    if (linger->any) {
        wanted_offer(&linger->file, text_from(linger->path), &linger->owner, out);
    }
    return linger->any;
}

/* Which fetched and serves on. */
static bool has_node(const struct session *session)
{
    return session->line->output == NULL && local_is_there(session);
}

void linger_begin(struct linger *linger, struct engine *engine, int status)
{
    struct session *session = engine->session;
    int64_t ms = linger_ms(session);

    linger->engine = engine;
    linger->status = status;
    if (ms == 0 || !has_something(linger)) {
        if (ms < 0 && status == 0 && !session->line->quiet && !has_node(session)) {
            session_say("nothing is served on; p2p peer shares what is there");
        }
        linger_stop(linger);
        return;
    }
    linger->timer = (struct loop_timer){.on_time = on_time, .ctx = linger};
    fflush(stdout);
    if (!session->line->quiet) {
        session_say("%s is served on to others; Ctrl-C ends that", linger->path);
    }
    if (ms > 0 &&
        loop_set_timer(session->loop, &linger->timer, loop_now_ms(session->loop) + ms) != 0) {
        linger_stop(linger);
    }
}
