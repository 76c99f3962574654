/* SPDX-License-Identifier: MIT */
/* Runs on the machine that builds: writes the files of web/ as one C source, which defines the
 * table that src/ui/web.h declares. It neither compresses nor changes a byte. Usage: pack FOLDER
 * FILE... >web.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct type {
    const char *ending;
    const char *name;
};

static const struct type types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".txt", "text/plain; charset=utf-8"},
    {".json", "application/json"},
};

static const char *type_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(dot, types[i].ending) == 0) {
            return types[i].name;
        }
    }
    fprintf(stderr, "pack: %s: no type for this ending; add it to toolchains/pack.c\n", path);
    exit(1);
}

/* The size is returned apart: an empty file still needs one array element. */
static unsigned long write_bytes(const char *path, int number)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        perror(path);
        exit(1);
    }
    unsigned long size = 0;
    printf("static const unsigned char file_%d[] = {", number);
    for (int c = getc(in); c != EOF; c = getc(in)) {
        printf("%s%d,", size % 20 == 0 ? "\n    " : "", c);
        size++;
    }
    printf("%s};\n", size == 0 ? "0" : "\n");
    fclose(in);
    return size;
}

int main(int argc, char **argv)
{
    unsigned long sizes[64];
    if (argc < 3 || argc - 2 > 64) {
        fprintf(stderr, "usage: pack FOLDER FILE... (64 files at most)\n");
        return 2;
    }
    size_t skip = strlen(argv[1]);
    printf("/* Made by toolchains/pack.c from %s. */\n#include \"ui/web.h\"\n\n", argv[1]);
    for (int i = 2; i < argc; i++) {
        sizes[i - 2] = write_bytes(argv[i], i);
    }
    printf("\nconst struct web_file web_files[] = {\n");
    for (int i = 2; i < argc; i++) {
        printf("    {\"%s\", \"%s\", file_%d, %lu},\n", argv[i] + skip, type_of(argv[i]), i,
               sizes[i - 2]);
    }
    printf("    {0, 0, 0, 0},\n};\n");
    return ferror(stdout) != 0 || fflush(stdout) != 0;
}
