/* SPDX-License-Identifier: MIT */
/* Nobody is waited for who still fetches when the time is over. First thread. */
#include "ui/linger.h"

#include "base/text.h"

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

/* ms that what is here is to be served on; -1: for ever. */
static int64_t set_ms(const struct session *session)
{
    struct str set = config_text(&session->line->settings, "transfer.linger");
    int64_t ms = 0;

    return text_is(set, "forever") ? -1 : text_to_ms(set, &ms) == 0 ? ms : 0;
}

static bool has_something(const struct engine *engine)
{
    return !engine->session->interrupted && engine->guest != NULL && engine->haul != NULL &&
           held_percent(haul_held(engine->haul)) == 100;
}

void linger_begin(struct linger *linger, struct engine *engine, int status)
{
    struct session *session = engine->session;
    int64_t ms = set_ms(session);

    *linger = (struct linger){.engine = engine, .status = status};
    if (ms == 0 || !has_something(engine)) {
        linger_stop(linger);
        return;
    }
    linger->timer = (struct loop_timer){.on_time = on_time, .ctx = linger};
    fflush(stdout);
    if (!session->line->quiet) {
        session_say("it is served on to others; Ctrl-C ends that");
    }
    if (ms > 0 &&
        loop_set_timer(session->loop, &linger->timer, loop_now_ms(session->loop) + ms) != 0) {
        linger_stop(linger);
    }
}
