/* SPDX-License-Identifier: MIT */
/* Runs on the machine that builds: writes the files of the page as one C source, which defines the
 * table that src/ui/web.h declares. It changes no byte; a file that ends in .gz is told to be
 * compressed. Usage: pack FILE... >web.c */
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

/* How many bytes of the path are its name without ".gz". */
static size_t plain_length(const char *path)
{
    size_t length = strlen(path);
    return length > 3 && strcmp(path + length - 3, ".gz") == 0 ? length - 3 : length;
}

static const char *type_of(const char *path)
{
    size_t length = plain_length(path);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t ending = strlen(types[i].ending);
        if (length > ending && strncmp(path + length - ending, types[i].ending, ending) == 0) {
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

static void write_row(const char *path, int number, unsigned long size)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    size_t length = plain_length(name);
    printf("    {\"%.*s\", \"%s\", file_%d, %lu, %d},\n", (int)length, name, type_of(name), number,
           size, name[length] != '\0');
}

int main(int argc, char **argv)
{
    unsigned long sizes[64];
    if (argc < 2 || argc - 1 > 64) {
        fprintf(stderr, "usage: pack FILE... (64 files at most)\n");
        return 2;
    }
    printf("/* Made by toolchains/pack.c. */\n#include \"ui/web.h\"\n\n");
    for (int i = 1; i < argc; i++) {
        sizes[i - 1] = write_bytes(argv[i], i);
    }
    printf("\nconst struct web_file web_files[] = {\n");
    for (int i = 1; i < argc; i++) {
        write_row(argv[i], i, sizes[i - 1]);
    }
    printf("    {0, 0, 0, 0, 0},\n};\n");
    return ferror(stdout) != 0 || fflush(stdout) != 0;
}
