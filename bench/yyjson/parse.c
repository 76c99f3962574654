/* SPDX-License-Identifier: MIT */
/* What a plain parse by yyjson costs: every line of the files that are named, one document each,
 * with yyjson's own defaults, then with a pool that is used again and again. Prints "LINES SECONDS
 * SECONDS": CPU seconds of the faster of three rounds each. bench_million.py compiles it with -O2
 * against the machine's C library. */
#include "yyjson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct text {
    char *bytes;
    size_t size;
};

static int text_read(const char *file, struct text *out)
{
    FILE *in = fopen(file, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0)
        return -1;
    out->size = (size_t)ftell(in);
    rewind(in);
    out->bytes = malloc(out->size + 1);
    int error = !out->bytes || fread(out->bytes, 1, out->size, in) != out->size;
    fclose(in);
    return error ? -1 : 0;
}

static long parse(const struct text *text, const yyjson_alc *alc)
{
    long lines = 0;
    for (char *at = text->bytes, *stop = at + text->size; at < stop; lines++) {
        char *end = memchr(at, '\n', (size_t)(stop - at));
        end = end ? end : stop;
        yyjson_doc *doc = yyjson_read_opts(at, (size_t)(end - at), 0, alc, NULL);
        if (!doc)
            return -1;
        yyjson_doc_free(doc);
        at = end + 1;
    }
    return lines;
}

static double best_of(int rounds, const struct text *texts, int count, const yyjson_alc *alc,
                      long *lines)
{
    double best = 1e9;
    while (rounds-- > 0) {
        clock_t begun = clock();
        *lines = 0;
        for (int i = 0; i < count; i++) {
            long here = parse(&texts[i], alc);
            if (here < 0)
                return -1;
            *lines += here;
        }
        double took = (double)(clock() - begun) / CLOCKS_PER_SEC;
        best = took < best ? took : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    static char pool[1 << 16];
    struct text *texts = calloc((size_t)argc, sizeof(*texts));
    yyjson_alc alc;
    long lines;
    for (int i = 1; i < argc; i++) {
        if (!texts || text_read(argv[i], &texts[i - 1]) != 0)
            return 1;
    }
    if (!yyjson_alc_pool_init(&alc, pool, sizeof(pool)))
        return 1;
    double plain = best_of(3, texts, argc - 1, NULL, &lines);
    double pooled = best_of(3, texts, argc - 1, &alc, &lines);
    printf("%ld %.4f %.4f\n", lines, plain, pooled);
    return plain < 0 || pooled < 0;
}
