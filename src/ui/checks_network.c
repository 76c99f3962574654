/* SPDX-License-Identifier: MIT */
/* The node of this machine, every index that it may use, and whether these reach it. One question
 * after the other on the session's loop: what hangs is told by its name. */
#include "ui/checks.h"

#include "base/date.h"
#include "base/log.h"
#include "ui/finding.h"

#include <stdio.h>
#include <string.h>

enum { ASK_MS = 3000 };

/* One request, to an index or to the local node. */
struct ask {
    struct checks *checks;
    void (*on_line)(struct ask *ask, const struct json_value *value);
    int status, result;
    int64_t began_us, took_us;
    char date[40];
    /* of an index */
    char role[16], version[32];
    int64_t nodes;
    /* of the node, as the index knows it */
    bool known, reachable, active;
    char address[ADDR_TEXT_MAX];
};

static void on_head(void *ctx, const struct http_head *head)
{
    struct ask *ask = ctx;

    ask->status = head->status;
    ask->took_us = plat_now_us() - ask->began_us;
    if (text_copy(head->header[HTTP_HEADER_DATE], ask->date, sizeof ask->date) != 0) {
        ask->date[0] = 0;
    }
}

static void on_line(void *ctx, struct str line)
{
    struct ask *ask = ctx;
    const struct json_value *value = json_parse(&ask->checks->session.json, line);

    if (value != NULL && ask->status == 200) {
        ask->on_line(ask, value);
    }
}

static void on_done(void *ctx, int result)
{
    struct ask *ask = ctx;

    ask->result = result != 0 ? result : ask->status == 200 ? 0 : -P2P_EPROTO;
    loop_stop(ask->checks->session.loop);
}

static const struct client_handlers handlers = {
    .on_head = on_head, .on_line = on_line, .on_done = on_done};

static struct client_request request_of(struct ask *ask, struct str target)
{
    ask->began_us = plat_now_us();
    return (struct client_request){.method = HTTP_METHOD_GET,
                                   .target = target,
                                   .timeout_ms = ASK_MS,
                                   .handlers = &handlers,
                                   .ctx = ask};
}

static int64_t number(struct ask *ask, const struct json_value *value, const char *key)
{
    int64_t out = 0;

    if (value != NULL) {
        json_get_int(&ask->checks->session.json, value, key, (struct json_range){0, P2P_FILE_MAX},
                     &out);
    }
    return out;
}

static void words(struct ask *ask, const struct json_value *value, const char *key, struct buf out)
{
    struct str text;

    if (json_get_text(&ask->checks->session.json, value, key, &text) == 0) {
        text_copy(text, out.ptr, out.size);
    }
}

/* ---- the local node ---- */

static void on_node(struct ask *ask, const struct json_value *value)
{
    struct checks_node *node = &ask->checks->node;
    struct json_reader *reader = &ask->checks->session.json;
    const struct json_value *offers =
        json_get_object(value, "tables") != NULL
            ? json_get_object(json_get_object(value, "tables"), "offers")
            : NULL;

    node->told = json_get_hex(reader, value, "id", node->id.bytes, sizeof node->id.bytes) == 0;
    words(ask, value, "name", buf_on(node->name, sizeof node->name));
    words(ask, value, "version", buf_on(node->version, sizeof node->version));
    node->joined = node->watching = true; /* unless it says otherwise: an index does not */
    json_get_bool(reader, value, "joined", &node->joined);
    json_get_bool(reader, value, "watching", &node->watching);
    node->uptime_ms = number(ask, value, "uptime_ms");
    node->files = number(ask, value, "files");
    node->files_max = number(ask, value, "files_max");
    node->unreadable = number(ask, value, "unreadable");
    node->refused = number(ask, value, "offers_refused");
    node->offers = number(ask, offers, "used");
    node->offers_max = number(ask, offers, "size");
}

static void ask_node(struct checks *checks, struct ask *ask)
{
    struct session *session = &checks->session;
    struct client_request request = request_of(ask, STR("/v1/stats"));
    struct client *client = client_open(session->pool, &session->local_addr, &ask->result);

    if (client == NULL) {
        return;
    }
    ask->result = client_send(client, &request);
    if (ask->result == 0) {
        loop_run(session->loop);
    }
    client_close(client);
}

static void tell_node(struct checks *checks)
{
    const struct checks_node *node = &checks->node;
    struct finding finding = {FINDING_OK, "node", NULL};
    char up[32];
    struct buf buf = buf_on(up, sizeof up);

    if (strcmp(node->version, P2P_VERSION) != 0) {
        finding = (struct finding){FINDING_WARN, "node",
                                   "this program is " P2P_VERSION ": start the node again"};
    }
    if (!node->joined) {
        finding = (struct finding){FINDING_FAIL, "node",
                                   "it has joined no index yet: its log and the next lines say "
                                   "why"};
    }
    buf_put_duration(&buf, node->uptime_ms);
    finding_say(&checks->findings, finding, "%s, %s %s, pid %d on port %u, up %.*s%s", node->name,
                record_role_text(node->role), node->version, checks->session.local.pid,
                checks->session.local.port, (int)buf.len, up, node->joined ? "" : ", not joined");
}

void checks_node(struct checks *checks)
{
    static const struct finding absent = {FINDING_INFO, "node", NULL};
    static const struct finding dead = {
        FINDING_FAIL, "node", "it hangs, or a local firewall is in the way: start it again"};
    struct ask ask = {.checks = checks, .on_line = on_node};
    const struct session *session = &checks->session;

    checks->node.there = session->has_local;
    if (!checks->node.there) {
        finding_say(&checks->findings, absent,
                    "none runs for this folder; what follows is what one would find");
        return;
    }
    checks->node.role = session->local.role;
    ask_node(checks, &ask);
    if (session->interrupted) {
        return;
    }
    if (checks->node.told) {
        tell_node(checks);
    } else {
        finding_say(&checks->findings, dead, "pid %d does not answer on port %u: %s",
                    session->local.pid, session->local.port, log_error(ask.result));
    }
}

/* ---- an index ---- */

static void on_index(struct ask *ask, const struct json_value *value)
{
    words(ask, value, "role", buf_on(ask->role, sizeof ask->role));
    words(ask, value, "version", buf_on(ask->version, sizeof ask->version));
    ask->nodes = number(ask, value, "nodes");
}

static void on_member(struct ask *ask, const struct json_value *value)
{
    struct json_reader *reader = &ask->checks->session.json;
    struct record_id id;
    struct str state;
    size_t count = 0;

    if (json_get_hex(reader, value, "node", id.bytes, sizeof id.bytes) != 0 ||
        !record_id_equal(&id, &ask->checks->node.id)) {
        return;
    }
    ask->known = true;
    json_get_bool(reader, value, "reachable", &ask->reachable);
    ask->active = json_get_text(reader, value, "state", &state) == 0 && text_is(state, "active");
    const struct json_value *addresses = json_get_array(value, "addresses", &count);
    if (count > 0) {
        text_copy(json_item_text(json_item(addresses, 0)), ask->address, sizeof ask->address);
    }
}

static void ask_index(struct directory *directory, struct ask *ask, struct str target)
{
    struct directory_call call = {.request = request_of(ask, target)};

    ask->result = directory_send(directory, &call);
    if (ask->result == 0) {
        loop_run(ask->checks->session.loop);
        directory_cancel(&call);
    }
}

static const char *cure_of(int error)
{
    switch (-error) {
    case P2P_EREFUSED:
        return "start it there with p2p index, or name another with -i";
    case P2P_EUNREACH:
        return "check cable or Wi-Fi, this machine's address and its route";
    case P2P_ETIMEOUT:
        return "is that machine on? does a firewall on the way drop TCP to that port?";
    case P2P_ENOTFOUND:
        return "no such name: check how it is written, or give the IP address";
    case P2P_EPROTO:
        return "something else answers at that port: check the port";
    default:
        return "look at the index's log";
    }
}

static void tell_back(struct checks *checks, const struct ask *ask, struct str name)
{
    static const char firewall[] =
        "let TCP to that port in through this machine's firewall, or name an address that others "
        "reach with [node] advertise";
    static const char rejoin[] = "its log says why; the node may have joined another index";
    struct finding finding = {FINDING_OK, "way back", NULL};

    if (!ask->known || !ask->active) {
        finding = (struct finding){FINDING_WARN, "way back", rejoin};
        finding_say(&checks->findings, finding, "index %.*s does not count this node as a member",
                    (int)name.len, name.ptr);
        return;
    }
    if (!ask->reachable) {
        finding = (struct finding){FINDING_FAIL, "way back", firewall};
    }
    finding_say(&checks->findings, finding, "index %.*s %s this node at %s", (int)name.len,
                name.ptr, ask->reachable ? "reaches" : "cannot connect to", ask->address);
}

static void note_clock(struct checks *checks, const struct ask *ask)
{
    int64_t theirs;

    if (!checks->clock_known && date_read_http(ask->date, &theirs)) {
        checks->clock_known = true;
        checks->clock_ahead_s = plat_wall_s() - theirs;
    }
}

static void tell_index(struct checks *checks, const struct ask *ask, struct str name)
{
    struct finding finding = {FINDING_OK, "index", NULL};

    if (ask->result != 0) {
        finding = (struct finding){FINDING_FAIL, "index", cure_of(ask->result)};
        finding_say(&checks->findings, finding, "%.*s: %s", (int)name.len, name.ptr,
                    log_error(ask->result));
        return;
    }
    if (strcmp(ask->role, "peer") == 0) {
        finding = (struct finding){FINDING_FAIL, "index", "that is a peer: name its index with -i"};
    } else if (strcmp(ask->version, P2P_VERSION) != 0) {
        finding = (struct finding){FINDING_WARN, "index",
                                   "this program is " P2P_VERSION
                                   ": one may lack what the other asks for; put the newer one on "
                                   "both machines"};
    }
    finding_say(&checks->findings, finding, "%.*s answers in %.1f ms: %s %s, %lld nodes",
                (int)name.len, name.ptr, (double)ask->took_us / 1000, ask->role, ask->version,
                (long long)ask->nodes);
}

static void check_index(struct checks *checks, struct str name)
{
    struct session *session = &checks->session;
    struct ask ask = {.checks = checks, .on_line = on_index};
    struct directory *directory;
    struct directory_config config = {.indexes = name,
                                      .loop = session->loop,
                                      .pool = session->pool,
                                      .background = &session->background};

    if (directory_init(&directory, &session->arena, &config) != 0) {
        return;
    }
    ask_index(directory, &ask, STR("/v1/stats"));
    if (!session->interrupted) {
        tell_index(checks, &ask, name);
    }
    if (ask.result == 0 && !session->interrupted) {
        note_clock(checks, &ask);
        if (checks->node.told && checks->node.role != RECORD_ROLE_INDEX) {
            ask.on_line = on_member;
            ask_index(directory, &ask, STR("/v1/nodes"));
            tell_back(checks, &ask, name);
        }
    }
    directory_close(directory);
}

void checks_network(struct checks *checks)
{
    char list[CONFIG_TEXT_MAX];
    struct buf buf = buf_on(list, sizeof list);
    struct str name;

    directory_describe(checks->session.directory, &buf);
    struct str rest = buf_str(&buf);
    while (config_next(&rest, &name) && !checks->session.interrupted) {
        check_index(checks, name);
    }
}

void checks_clock(struct checks *checks)
{
    enum { SET_S = 1577836800, APART_S = 120 };
    static const char ntp[] = "set it with date, or let it be set by NTP (timedatectl set-ntp on)";
    struct finding finding = {FINDING_OK, "clock", NULL};
    int64_t now = plat_wall_s(), ahead = checks->clock_ahead_s;
    char text[64];
    struct buf buf = buf_on(text, sizeof text);

    if (now < SET_S || ahead > APART_S || ahead < -APART_S) {
        finding = (struct finding){now < SET_S ? FINDING_FAIL : FINDING_WARN, "clock", ntp};
    }
    date_put(&buf, now > 0 ? now : 0);
    if (now < SET_S) {
        buf_put_text(&buf, " UTC: it was never set");
    } else if (finding.level == FINDING_WARN) {
        buf_put_text(&buf, " UTC, ");
        buf_put_duration(&buf, (ahead > 0 ? ahead : -ahead) * 1000);
        buf_put_text(&buf, ahead > 0 ? " ahead of the index" : " behind the index");
    } else {
        buf_put_text(&buf, checks->clock_known ? " UTC, as the index has it" : " UTC");
    }
    finding_say(&checks->findings, finding, "%.*s", (int)buf.len, text);
}
