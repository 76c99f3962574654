/* SPDX-License-Identifier: MIT */
/* The statistics document. All of it is counters that stand ready, but for the nodes that live,
 * which are counted by walking over their table. Loop thread. */
#include "index/figure.h"

#include "base/state.h"
#include "index/changes.h"
#include "index/mirrors.h"
#include "index/role.h"
#include "index/store.h"
#include "platform/plat.h"

static void figure_open(struct buf *buf, const char *key)
{
    json_put_key(buf, key);
    buf_put_char(buf, '{');
}

static void figure_u64(struct buf *buf, const char *key, uint64_t value)
{
    json_put_field_i64(buf, key, (int64_t)value);
}

static void figure_table(struct buf *buf, const char *key, const uint32_t figures[static 3])
{
    figure_open(buf, key);
    figure_u64(buf, "used", figures[0]);
    figure_u64(buf, "peak", figures[1]);
    figure_u64(buf, "size", figures[2]);
    buf_put_char(buf, '}');
}

/* Tombstones and first joins that still come in are in the table, but are no members. */
static uint32_t figure_living(const struct index_role *role)
{
    uint32_t count = 0;
    const struct catalog_node *node = catalog_next_node(role->catalog, 0);
    for (; node; node = catalog_next_node(role->catalog, node->slot))
        count += node->state != RECORD_LEFT && node->epoch > 0;
    return count;
}

static void figure_catalog(struct buf *buf, const struct index_role *role)
{
    struct catalog_budget size = catalog_budget(role->catalog);
    struct catalog_counts counts = catalog_counts(role->catalog);
    figure_u64(buf, "nodes", figure_living(role));
    figure_u64(buf, "offers", counts.used.offers);
    figure_u64(buf, "contents", counts.used.contents);
    figure_u64(buf, "offers_refused", counts.refused);
    figure_open(buf, "tables");
    figure_table(buf, "nodes", (uint32_t[]){counts.used.nodes, counts.peak.nodes, size.nodes});
    figure_table(buf, "offers", (uint32_t[]){counts.used.offers, counts.peak.offers, size.offers});
    figure_table(buf, "names", (uint32_t[]){counts.used.names, counts.peak.names, size.names});
    figure_table(buf, "contents",
                 (uint32_t[]){counts.used.contents, counts.peak.contents, size.contents});
    figure_table(buf, "attached",
                 (uint32_t[]){role->links.used, role->links.peak, role->links.count});
    figure_table(buf, "announces",
                 (uint32_t[]){role->announces.used, role->announces.peak, role->announces.count});
    figure_table(buf, "replies",
                 (uint32_t[]){role->replies.used, role->replies.peak, role->replies.count});
    buf_put_char(buf, '}');
    figure_u64(buf, "folders", counts.folders);
    figure_u64(buf, "names_memory", counts.names_memory);
    figure_u64(buf, "names_bytes", counts.text_used);
    figure_u64(buf, "names_bytes_size", counts.text_size);
}

static void figure_events(struct buf *buf, const struct role_counters *counters)
{
    const struct {
        const char *key;
        uint64_t value;
    } rows[] = {
        {"searches", counters->searches},
        {"lookups", counters->lookups},
        {"redirects", counters->redirects},
        {"joins", counters->joins},
        {"updates", counters->updates},
        {"alives", counters->alives},
        {"leaves", counters->leaves},
        {"lost", counters->lost},
        {"refused", counters->refused},
        {"updates_refused", counters->updates_refused},
        {"updates_ignored", counters->updates_ignored},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        figure_u64(buf, rows[i].key, rows[i].value);
}

static void figure_server(struct buf *buf, const struct server_stats *stats)
{
    figure_open(buf, "connections");
    figure_u64(buf, "open", stats->connections);
    figure_u64(buf, "peak", stats->peak);
    figure_u64(buf, "accepted", stats->accepted);
    figure_u64(buf, "refused", stats->refused);
    figure_u64(buf, "cut", stats->cut);
    figure_u64(buf, "requests", stats->requests);
    figure_u64(buf, "errors", stats->errors);
    figure_u64(buf, "bytes_in", stats->bytes_in);
    figure_u64(buf, "bytes_out", stats->bytes_out);
    buf_put_char(buf, '}');
}

static void figure_process(struct buf *buf, const struct index_role *role)
{
    int64_t rss = plat_rss();
    figure_u64(buf, "memory_bytes", role->config.budget_bytes);
    if (rss >= 0)
        json_put_field_i64(buf, "rss_bytes", rss);
    json_put_field_i64(buf, "cpu_us", plat_cpu_us());
    figure_u64(buf, "state_bytes_written", state_written());
    figure_u64(buf, "state_bytes_per_day",
               state_written_per_day(loop_now_ms(role->config.loop) - role->started_ms));
    figure_u64(buf, "log_lines_dropped", log_dropped());
}

/* What others can follow, what is kept, whom it follows, and how quick it is. */
static void figure_relations(struct buf *buf, const struct index_role *role)
{
    figure_open(buf, "feed");
    json_put_field_text(buf, "id", text_from(role->feed));
    figure_u64(buf, "n", role->lines.last);
    figure_u64(buf, "first", role->lines.first);
    figure_u64(buf, "readers", changes_readers(role));
    buf_put_char(buf, '}');
    json_put_key(buf, "snapshot");
    store_put_stats(role, buf);
    json_put_key(buf, "mirrors");
    mirrors_put_stats(role, buf);
    figure_open(buf, "search");
    figure_u64(buf, "count", role->searches.count);
    figure_u64(buf, "p50_us", latency_quantile(&role->searches, 500));
    figure_u64(buf, "p99_us", latency_quantile(&role->searches, 990));
    buf_put_char(buf, '}');
}

void figure_begin(struct exchange *exchange, void *context)
{
    const struct index_role *role = context;
    exchange_begin(exchange, 200, "application/json");
    struct buf *buf = exchange_body(exchange);
    buf_put_char(buf, '{');
    json_put_field_text(buf, "role", text_from(record_role_text(role->config.role)));
    json_put_field_hex(buf, "id", role->config.id.bytes, sizeof(role->config.id.bytes));
    json_put_field_text(buf, "name", role->config.name);
    json_put_field_text(buf, "version", STR(P2P_VERSION));
    json_put_field_i64(buf, "uptime_ms", loop_now_ms(role->config.loop) - role->started_ms);
    json_put_field_i64(buf, "lease_ms", role->config.lease_ms);
    figure_catalog(buf, role);
    figure_events(buf, &role->counters);
    figure_relations(buf, role);
    if (role->config.server)
        figure_server(buf, server_stats(role->config.server));
    figure_process(buf, role);
    if (role->config.more_stats)
        role->config.more_stats(role->config.context, buf);
    buf_put(buf, STR("}\n"));
    exchange_end(exchange);
}
