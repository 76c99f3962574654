/* SPDX-License-Identifier: MIT */
/* The catalog with many offers: memory, joins, look-ups, searches. Usage: catalog PATHS [OFFERS
 * [NODES]], where PATHS is a file with one relative path a line (find / -xdev -type f -printf
 * '%P\n'); it is repeated under other first folders until there are OFFERS different names (default
 * 1000000 from 1000 nodes), each with a content of its own. */
#include "catalog/lookup.h"
#include "catalog/search.h"

#include "base/hash.h"
#include "base/name.h"
#include "base/text.h"
#include "platform/plat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE_WORK = 5000, REPEATS = 21, STEP = 1000 };

struct bench {
    char *text;
    struct str *path;
    uint32_t path_count, offers, nodes;
    struct arena arena;
    struct catalog *catalog;
};

static double bench_ms(int64_t since_us)
{
    return (double)(plat_now_us() - since_us) / 1000.0;
}

/* Good names only, as a share would offer them. */
static bool bench_read(struct bench *bench, const char *file)
{
    FILE *in = fopen(file, "rb");
    struct str rest, line;
    if (!in || fseek(in, 0, SEEK_END) != 0)
        return false;
    size_t size = (size_t)ftell(in), lines = 0;
    rewind(in);
    bench->text = malloc(size + 1);
    if (!bench->text || fread(bench->text, 1, size, in) != size)
        return false;
    fclose(in);
    for (size_t i = 0; i < size; i++)
        lines += bench->text[i] == '\n';
    bench->path = malloc((lines + 1) * sizeof(*bench->path));
    rest = (struct str){bench->text, size};
    while (bench->path && text_split(&rest, '\n', &line)) {
        if (!name_fault(line) && line.len < P2P_PATH_MAX - 8)
            bench->path[bench->path_count++] = line;
    }
    return bench->path_count > 0;
}

static struct str bench_path(const struct bench *bench, uint32_t i, char out[static P2P_PATH_MAX])
{
    struct str path = bench->path[i % bench->path_count];
    if (i < bench->path_count)
        return path;
    struct buf buf = buf_on(out, P2P_PATH_MAX);
    buf_printf(&buf, "m%u/", (unsigned)(i / bench->path_count));
    buf_put(&buf, path);
    return buf_str(&buf);
}

static void bench_content(uint32_t number, struct record_content *out)
{
    for (int i = 0; i < 4; i++) {
        uint64_t word = hash_u64((uint64_t)number * 4 + (uint64_t)i);
        memcpy(out->bytes + 8 * i, &word, 8);
    }
}

static void bench_join_node(struct bench *bench, uint32_t number, uint64_t seq)
{
    struct plat_addr source = {.family = 4, .port = 7751, .ip = {10, 0, 0, 1}};
    struct record_id id = {{0}};
    struct catalog_node *node;
    char name[16], path[P2P_PATH_MAX];
    memcpy(id.bytes, &number, sizeof(number));
    source.ip[2] = (uint8_t)(number >> 8);
    source.ip[3] = (uint8_t)number;
    snprintf(name, sizeof(name), "node%u", (unsigned)number);
    struct record_join join = {.epoch = 1, .seq = seq, .port = 7751, .name = text_from(name)};
    if (catalog_add_node(bench->catalog, &id, &source, &node) != 0 ||
        catalog_join_begin(bench->catalog, node, &join) != 0)
        return;
    uint32_t share = bench->offers / bench->nodes;
    for (uint32_t i = number * share; i < (number + 1) * share; i++) {
        struct record_change change = {.op = RECORD_PUT,
                                       .offer = {.path = bench_path(bench, i, path),
                                                 .size = i,
                                                 .mtime = 1700000000 + (int64_t)(i % 100000),
                                                 .hashed = true,
                                                 .have = 100}};
        bench_content(i, &change.offer.content);
        catalog_apply(bench->catalog, node, &change);
    }
    catalog_commit(bench->catalog, node, UINT32_MAX);
}

static void bench_fill(struct bench *bench, uint64_t seq, const char *what)
{
    int64_t start = plat_now_us();
    for (uint32_t i = 0; i < bench->nodes; i++)
        bench_join_node(bench, i, seq);
    double ms = bench_ms(start);
    printf("%s: %.0f ms, %.2f M offers/s\n", what, ms, bench->offers / ms / 1000.0);
}

static void bench_memory(struct bench *bench, int64_t rss_before)
{
    struct catalog_counts counts = catalog_counts(bench->catalog);
    struct catalog_budget budget = catalog_budget(bench->catalog);
    double rss = (double)(plat_rss() - rss_before);
    printf("offers %u of %u, contents %u, names %u, folders %u, nodes %u of %u, refused %llu\n",
           (unsigned)counts.used.offers, (unsigned)budget.offers, (unsigned)counts.used.contents,
           (unsigned)counts.used.names, (unsigned)counts.folders, (unsigned)counts.used.nodes,
           (unsigned)budget.nodes, (unsigned long long)counts.refused);
    printf("resident %.1f MiB, %.1f bytes an offer, of these %.1f its text\n", rss / 1048576.0,
           rss / counts.used.offers, (double)counts.text_used / counts.used.offers);
}

static void bench_lookups(struct bench *bench)
{
    struct hash_random random;
    struct record_content content;
    char path[P2P_PATH_MAX];
    uint32_t found = 0, rounds = 1000000;
    hash_random_seed(&random, 1);
    int64_t start = plat_now_us();
    for (uint32_t i = 0; i < rounds; i++) {
        bench_content(hash_random_below(&random, bench->offers), &content);
        found += lookup_first_holder(bench->catalog, &content) != 0;
    }
    printf("by content: %.0f ns, found %u of %u\n", bench_ms(start) * 1e6 / rounds, (unsigned)found,
           (unsigned)rounds);
    start = plat_now_us();
    for (uint32_t i = found = 0; i < rounds; i++) {
        struct str text = bench_path(bench, hash_random_below(&random, bench->offers), path);
        found += lookup_first_named(bench->catalog, text) != 0;
    }
    printf("by path: %.0f ns, found %u of %u\n", bench_ms(start) * 1e6 / rounds, (unsigned)found,
           (unsigned)rounds);
}

static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double bench_search(struct bench *bench, const char *text, uint32_t *found, double *worst)
{
    struct search *search;
    struct lookup_offer read;
    const char *fault;
    int64_t start = plat_now_us();
    *found = 0;
    if (search_open(bench->catalog, &(struct search_request){text_from(text), STEP, 1790000000},
                    &search, &fault) != 0)
        return -1;
    for (bool more = true; more;) {
        int64_t slice = plat_now_us();
        more = search_step(search, SLICE_WORK);
        double ms = bench_ms(slice);
        *worst = ms > *worst ? ms : *worst;
    }
    while (search_next(search, &read))
        ++*found;
    search_close(search);
    return bench_ms(start);
}

static void bench_searches(struct bench *bench)
{
    static const char *const texts[] = {
        "readme",          "libcrypto",        ".so",     "qz",       "xj",       "zzzz",
        "nothing-like-it", "usr/share",        "doc/lib", "e",        "\xc3\xa9", "~",
        "copyright",       "changelog.debian", "*.ini",   "*rea?me*", "ext:iso",  "kind:copy",
        "node:node77 lib", "size>999990",      "*"};
    double worst_slice = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double ms[REPEATS], worst = 0;
        uint32_t found;
        for (int k = 0; k < REPEATS; k++)
            ms[k] = bench_search(bench, texts[i], &found, &worst);
        qsort(ms, REPEATS, sizeof(ms[0]), bench_compare);
        printf("search %-18s found %4u, median %.3f ms, worst %.3f ms, longest slice %.3f ms\n",
               texts[i], (unsigned)found, ms[REPEATS / 2], ms[REPEATS - 1], worst);
        worst_slice = worst > worst_slice ? worst : worst_slice;
    }
    printf("longest slice of all (%d units): %.3f ms\n", SLICE_WORK, worst_slice);
}

/* Takes every tenth node away, in slices. */
static void bench_remove(struct bench *bench)
{
    struct catalog_node *node = NULL;
    int64_t start = plat_now_us();
    double worst = 0;
    uint32_t before = catalog_counts(bench->catalog).used.offers;
    for (uint32_t slot = 1; slot <= bench->nodes; slot += 10) {
        node = catalog_next_node(bench->catalog, slot - 1);
        catalog_lose(bench->catalog, node, 1);
    }
    for (bool more = true; more;) {
        int64_t slice = plat_now_us();
        more = catalog_step(bench->catalog, STEP);
        worst = bench_ms(slice) > worst ? bench_ms(slice) : worst;
    }
    uint32_t gone = before - catalog_counts(bench->catalog).used.offers;
    printf("lost %u offers: %.0f ns each, longest step of %d: %.3f ms\n", (unsigned)gone,
           bench_ms(start) * 1e6 / gone, STEP, worst);
}

int main(int argc, char **argv)
{
    struct bench bench = {.offers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000,
                          .nodes = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000};
    if (argc < 2 || bench.offers == 0 || bench.nodes == 0 || !bench_read(&bench, argv[1])) {
        fprintf(stderr, "usage: catalog PATHS [OFFERS [NODES]]\n");
        return 2;
    }
    size_t bytes = (size_t)bench.offers * 260 + (4 << 20);
    if (hash_seed() != 0 || arena_init(&bench.arena, bytes) != 0)
        return 1;
    int64_t rss = plat_rss(), start = plat_now_us();
    if (catalog_init(&bench.catalog, &bench.arena, bytes) != 0)
        return 1;
    printf("init: %.3f ms, %lld bytes touched\n", bench_ms(start), (long long)(plat_rss() - rss));
    bench_fill(&bench, 1, "first join");
    bench_memory(&bench, rss);
    bench_fill(&bench, 2, "the same join");
    bench_lookups(&bench);
    bench_searches(&bench);
    bench_remove(&bench);
    bench_fill(&bench, 3, "join after");
    bench_memory(&bench, rss);
    return 0;
}
