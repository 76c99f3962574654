/* SPDX-License-Identifier: MIT */
/* The way of a holder from new to ready. A whole holder of a content of one piece is ready at once:
 * nothing it could say would help. All others state size and chain first; what they state is
 * believed only as far as the proof goes. */
#include "swarm/contact.h"

#include "base/text.h"
#include "swarm/hints.h"

#include <string.h>

void contact_init(struct download *download, uint8_t *bits, size_t bits_size)
{
    for (int i = 0; i < DOWNLOAD_CONTACTS; i++) {
        download->contacts[i] = (struct contact){
            .download = download, .holder = -1, .bits = bits + (size_t)i * bits_size};
    }
}

static size_t bitmap_size(const struct download *download)
{
    return (download->pieces + 7) / 8;
}

static void close_contact(struct contact *contact)
{
    if (contact->client != NULL) {
        client_close(contact->client);
        contact->client = NULL;
    }
    contact->holder = -1;
}

void contact_end(struct download *download, int number, bool blamed)
{
    struct holder *holder = &download->holders[number];

    if (holder->state == HOLDER_READY) {
        download_leave(download, number);
    }
    holder->state = HOLDER_OUT;
    holder->blamed |= blamed;
}

void contact_again(struct download *download, int number)
{
    struct holder *holder = &download->holders[number];

    if (holder->state != HOLDER_READY) {
        return;
    }
    download_leave(download, number);
    holder->state = HOLDER_NEW;
    if (!holder->ask_first) {
        holder->ask_first = true;
        holder->retry_ms = 0; /* it may only know another size: ask now */
    } else {
        holder->fails++;
    }
}

static void fail(struct download *download, int number, int64_t rest_ms)
{
    struct holder *holder = &download->holders[number];

    holder->fails++;
    holder->addr_now = (holder->addr_now + 1) % holder->addr_count;
    download_rest(download, number, rest_ms << holder->fails);
    if (holder->fails < DOWNLOAD_FAILS_MAX) {
        if (holder->state == HOLDER_ASKED) {
            holder->state = HOLDER_NEW;
        }
        return;
    }
    if (holder->state == HOLDER_READY) {
        download_leave(download, number);
    }
    holder->state = HOLDER_OUT;
}

void contact_fail(struct download *download, int number)
{
    fail(download, number, DOWNLOAD_RETRY_MS);
}

/* What the bitmap says, for the plan. 0 or -P2P_EFULL. */
static int take_bitmap(struct download *download, int number, const struct contact *contact)
{
    struct holder *holder = &download->holders[number];

    holder->partial = !contact->whole;
    holder->said_ms = holder->have_ms = loop_now_ms(download->config.loop);
    holder->have_ms += contact->named_chain ? HOLDER_AGAIN_MS : 0;
    if (contact->whole) {
        plan_has_all(&download->plan, (unsigned)number);
        return 0;
    }
    int error = plan_has(&download->plan, (unsigned)number, contact->bits, contact->received);
    if (error == 0) {
        plan_downloader(&download->plan, (unsigned)number, holder->id.bytes);
    }
    return error;
}

static void ready(struct download *download, int number, int chain, const struct contact *contact)
{
    struct holder *holder = &download->holders[number];
    struct proof_news news;
    int error = proof_join(&download->proof, (unsigned)number, chain, &news);

    if (error != 0) {
        holder->state = HOLDER_OUT;
        return;
    }
    if (contact == NULL) {
        plan_has_all(&download->plan, (unsigned)number);
    } else {
        error = take_bitmap(download, number, contact);
    }
    if (error != 0) {
        download_leave(download, number);
        contact_fail(download, number);
        return;
    }
    holder->state = HOLDER_READY;
    holder->lacks = false;
    hints_confirm(download, number);
}

static void finish(struct contact *contact, int result)
{
    struct download *download = contact->download;
    int number = contact->holder;
    bool again = contact->again && download->holders[number].state == HOLDER_READY;

    close_contact(contact);
    download->holders[number].lacks |= result == -P2P_ENOTFOUND;
    if (again && (result == -P2P_EBUSY || result == -P2P_EFULL)) {
        result = 0; /* what it had is still good */
        download->holders[number].have_ms = loop_now_ms(download->config.loop) + HOLDER_AGAIN_MS;
    }
    if (result == -P2P_ENOSPC || result == -P2P_EREADONLY) {
        download->fatal = result;
    } else if (result == -P2P_EBUSY || result == -P2P_EFULL) {
        download->holders[number].state = HOLDER_NEW;
        download_rest(download, number, DOWNLOAD_RETRY_MS);
    } else if (result == -P2P_EVERIFY) {
        download->holders[number].state = HOLDER_OUT;
    } else if (result != 0 && result != -P2P_ENOTFOUND && download->holders[number].hint) {
        hints_drop(download, number);
    } else if (result != 0) {
        bool begins = result == -P2P_ENOTFOUND && download->holders[number].hint;
        fail(download, number, begins ? CONTACT_BEGIN_MS : DOWNLOAD_RETRY_MS);
    }
    download->changed(download);
}

/* Holders that were put off since their chain was coming are asked now. */
static void wake_waiting(struct download *download)
{
    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        if (download->holders[i].state == HOLDER_NEW && download->holders[i].fails == 0) {
            download->holders[i].retry_ms = 0;
        }
    }
}

static void on_chain_done(void *ctx, int result)
{
    struct contact *contact = ctx;
    struct download *download = contact->download;
    int chain = contact->chain.chain;

    if (result != 0) {
        finish(contact, result);
        return;
    }
    result = proof_add_chain(&download->proof, chain, download->chains.states);
    if (result != 0) {
        chains_free(&download->chains, (unsigned)chain);
    } else {
        download->chain_ms = loop_now_ms(download->config.loop);
        ready(download, contact->holder, chain, contact);
    }
    wake_waiting(download);
    finish(contact, result);
}

static bool is_coming(const struct download *download, const uint8_t id[static P2P_CHAIN_ID_SIZE],
                      const struct contact *but)
{
    for (int i = 0; i < DOWNLOAD_CONTACTS; i++) {
        const struct contact *other = &download->contacts[i];
        if (other != but && other->holder >= 0 && other->chain.done != NULL &&
            memcmp(other->chain.stated, id, P2P_CHAIN_ID_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

/* A ready holder said what it has now. One that went over to another chain begins anew. */
static void refresh(struct contact *contact)
{
    struct download *download = contact->download;
    int number = contact->holder;
    int chain = chains_find(&download->chains, contact->id);

    if (download->holders[number].state != HOLDER_READY) {
        finish(contact, 0);
    } else if (chain >= 0 && chain == proof_chain_of(&download->proof, (unsigned)number)) {
        finish(contact, take_bitmap(download, number, contact));
    } else {
        contact_again(download, number);
        finish(contact, 0);
    }
}

/* The bitmap is here: bind the holder to its chain, which is fetched if it is a new one. */
static void follow_chain(struct contact *contact)
{
    struct download *download = contact->download;
    int chain = download->chains.states == 0 ? 0 : chains_find(&download->chains, contact->id);

    if (chain >= 0) {
        ready(download, contact->holder, chain, contact);
        finish(contact, 0);
        return;
    }
    if (is_coming(download, contact->id, contact)) {
        finish(contact, -P2P_EBUSY);
        return;
    }
    char target[96];
    struct buf buf = buf_on(target, sizeof target);
    buf_put_text(&buf, "/v1/chain/");
    buf_put_text(&buf, download->hex);
    memcpy(contact->chain.stated, contact->id, sizeof contact->id);
    contact->chain.done = on_chain_done;
    contact->chain.ctx = contact;
    int error = chains_get(&contact->chain, &download->chains, contact->client, buf_str(&buf));
    if (error != 0) {
        finish(contact, error);
    }
}

static bool read_size(struct contact *contact, const struct http_head *head)
{
    struct download *download = contact->download;
    struct holder *holder = &download->holders[contact->holder];
    struct str size = head->header[HTTP_HEADER_P2P_SIZE];
    uint64_t stated;

    if (size.ptr == NULL || text_to_u64(size, (uint64_t)P2P_FILE_MAX, &stated) != 0) {
        return false;
    }
    holder->size = (int64_t)stated;
    return true;
}

/* What is wrong with the answer, 0 when nothing is. */
static int judge_head(struct contact *contact, const struct http_head *head)
{
    struct download *download = contact->download;
    struct str id = head->header[HTTP_HEADER_P2P_CHAIN];

    if (!hints_is_true(download, contact->holder, head)) {
        return -P2P_EDENIED;
    }
    if (head->status != 200) {
        return head->status == 503 ? -P2P_EBUSY : -P2P_ENOTFOUND;
    }
    if (!read_size(contact, head)) {
        return -P2P_EPROTO;
    }
    if (download->holders[contact->holder].size != download->want.size) {
        return -P2P_ECHANGED;
    }
    bool has_id = id.ptr != NULL && text_hex_decode(id, contact->id, sizeof contact->id) == 0;
    bool fits = head->body_length == (int64_t)bitmap_size(download);
    return fits && (has_id || download->chains.states == 0) ? 0 : -P2P_EPROTO;
}

/* An answer that is of no use is not waited for: it may have no end. */
static void on_head(void *ctx, const struct http_head *head)
{
    struct contact *contact = ctx;
    int error = judge_head(contact, head);

    if (error == 0) {
        hints_read(contact->download, contact->holder, head->header[HTTP_HEADER_P2P_PEERS]);
    }
    if (error != 0 && contact->again) {
        finish(contact, error);
    } else if (error == -P2P_ECHANGED) {
        contact->download->holders[contact->holder].state = HOLDER_OTHER;
        finish(contact, 0);
    } else if (error != 0) {
        finish(contact, error);
    }
}

static void on_body(void *ctx, struct str bytes)
{
    struct contact *contact = ctx;
    size_t room = bitmap_size(contact->download) - contact->received;

    if (bytes.len <= room) {
        memcpy(contact->bits + contact->received, bytes.ptr, bytes.len);
        contact->received += bytes.len;
    }
}

static bool has_all(const struct contact *contact)
{
    uint32_t pieces = contact->download->pieces;
    uint32_t rest = pieces % 8;
    size_t full = pieces / 8;

    for (size_t i = 0; i < full; i++) {
        if (contact->bits[i] != 0xff) {
            return false;
        }
    }
    uint8_t mask = (uint8_t)(0xff00 >> rest);
    return rest == 0 || (contact->bits[full] & mask) == mask;
}

static void on_done(void *ctx, int result)
{
    struct contact *contact = ctx;

    if (result != 0) {
        finish(contact, result);
        return;
    }
    contact->whole = has_all(contact);
    if (contact->again) {
        refresh(contact);
    } else {
        follow_chain(contact);
    }
}

/* Who has the same chain tells of all that it has. False: we have none yet. */
static bool put_chain(const struct download *download, struct buf *headers)
{
    int base = download->proof.base;

    if (base < 0 || download->chains.states == 0) {
        return false;
    }
    buf_put_text(headers, "P2P-Chain: ");
    buf_put_hex(headers, download->chains.id[base], P2P_CHAIN_ID_SIZE);
    buf_put_text(headers, "\r\n");
    return true;
}

/* What came here since it was asked last: so it need not ask us. */
static void put_news(struct download *download, struct holder *holder, struct buf *headers)
{
    char text[HELD_HEADER];
    struct buf news = buf_on(text, sizeof text);

    if (holder->whole || download->held.file < 0 || download->held_chain != download->proof.base) {
        return;
    }
    held_news(&download->held, &holder->told, &news);
    askers_put_have(headers, buf_str(&news));
}

static void ask(struct contact *contact, int number)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .on_body = on_body, .on_done = on_done};
    struct download *download = contact->download;
    struct holder *holder = &download->holders[number];
    char target[96], lines[160 + HELD_HEADER];
    struct buf buf = buf_on(target, sizeof target), headers = buf_on(lines, sizeof lines);
    int error = 0;

    buf_put_text(&buf, "/v1/have/");
    buf_put_text(&buf, download->hex);
    contact->holder = number;
    contact->received = 0;
    contact->whole = false;
    contact->again = holder->state == HOLDER_READY;
    contact->named_chain = put_chain(download, &headers);
    hints_put_self(download, &headers);
    if (contact->named_chain) {
        put_news(download, holder, &headers);
    }
    memset(&contact->chain, 0, sizeof contact->chain);
    holder->state = contact->again ? HOLDER_READY : HOLDER_ASKED;
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = buf_str(&buf),
                                     .headers = buf_str(&headers),
                                     .timeout_ms = CONTACT_HEAD_MS,
                                     .handlers = &handlers,
                                     .ctx = contact};
    contact->client = client_open(download->config.pool, &holder->addr[holder->addr_now], &error);
    if (contact->client != NULL) {
        error = client_send(contact->client, &request);
    }
    if (error != 0) {
        close_contact(contact);
        contact_fail(download, number);
    }
}

static struct contact *free_contact(struct download *download)
{
    for (int i = 0; i < DOWNLOAD_CONTACTS; i++) {
        if (download->contacts[i].holder < 0) {
            return &download->contacts[i];
        }
    }
    return NULL;
}

/* Nothing is left to ask of a holder that had a part only: it may have more by now. And of others
 * that fetch it one hears, while no index answers, from those who have it. */
static bool is_stale(const struct download *download, int number, int64_t now)
{
    const struct holder *holder = &download->holders[number];
    bool alone = download->sources.alone && download->pieces > 1 &&
                 holder->have_ms + CONTACT_ALONE_MS <= now;
    bool idle = download->plan.sources[number].in_flight == 0;
    bool busy = download->plan.request_count >= CONTACT_BUSY;
    int64_t due_ms = busy ? holder->said_ms + HOLDER_SILENT_MS : holder->have_ms;

    if (holder->state != HOLDER_READY || !(holder->partial ? idle && due_ms <= now : alone)) {
        return false;
    }
    for (int i = 0; i < DOWNLOAD_CONTACTS; i++) {
        if (download->contacts[i].holder == number) {
            return false;
        }
    }
    return true;
}

void contact_pump(struct download *download)
{
    int64_t now = loop_now_ms(download->config.loop);

    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        struct holder *holder = &download->holders[i];
        if (holder->retry_ms > now ||
            (holder->state != HOLDER_NEW && !is_stale(download, i, now))) {
            continue;
        }
        if (holder->state == HOLDER_NEW && download->pieces == 1 && download->want.size > 0 &&
            holder->whole && !holder->ask_first) {
            ready(download, i, 0, NULL);
            continue;
        }
        struct contact *contact = free_contact(download);
        if (contact == NULL) {
            return;
        }
        ask(contact, i);
    }
}

int contact_open(const struct download *download)
{
    int count = 0;

    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        enum holder_state state = download->holders[i].state;
        count += state == HOLDER_NEW || state == HOLDER_ASKED;
    }
    return count;
}

void contact_stop(struct download *download)
{
    for (int i = 0; i < DOWNLOAD_CONTACTS; i++) {
        struct contact *contact = &download->contacts[i];
        if (contact->holder < 0) {
            continue;
        }
        if (contact->chain.chains != NULL && contact->client != NULL) {
            chains_cancel(&contact->chain);
        }
        close_contact(contact);
    }
}
