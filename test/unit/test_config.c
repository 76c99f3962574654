/* SPDX-License-Identifier: MIT */
/* Settings: good and bad files, options over files, and that config.ini and the table say the same.
 */
#include "base/config.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[96];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/p2p-config-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/config.ini", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_file(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Reads text as the file; err comes back without the folder. */
static int read_text(struct config *config, const char *text, size_t size, char err[512])
{
    char whole[512] = "";
    write_file(text, size);
    config_init(config);
    int result = config_read(config, path, whole, sizeof(whole));
    const char *at = strstr(whole, "config.ini");
    strcpy(err, at ? at : whole);
    return result;
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *text, *err;
    } rows[] = {
        {"[node]\nlisten = x\n",
         "config.ini:2: [node] listen = x: not a port; write PORT or ADDR:PORT"},
        {"# c\n\n[node]\nlistn=1\n",
         "config.ini:4: [node] listn = 1: unknown key; did you mean listen in [node]?"},
        {"[node]\nuploads=1\n",
         "config.ini:2: [node] uploads = 1: unknown key; did you mean uploads in [transfer]?"},
        {"[index]\nzzzzzzz=1\n", "config.ini:2: [index] zzzzzzz = 1: unknown key; there are lease, "
                                 "snapshot, mirrors, wait"},
        {"[zzz]\nyyyyyy=1\n",
         "config.ini:2: [zzz] yyyyyy = 1: unknown section; there are node, share, index, transfer"},
        {"name = a\n", "config.ini:1: [] name = a: unknown key; did you mean name in [node]?"},
        {"[node]\nname = a\nname = a\n",
         "config.ini:3: [node] name = a: repeated; it stands in line 2 too, keep one"},
        {"[node]\nname = a\n[share]\n[node]\nname = b\n",
         "config.ini:5: [node] name = b: repeated; it stands in line 2 too, keep one"},
        {"[node]\nname a\n", "config.ini:2: not a setting; write [section] or key = value"},
        {"[node\nname = a\n", "config.ini:1: not a setting; write [section] or key = value"},
        {"[node]\nname = a b\n", "config.ini:2: [node] name = a b: not a node's name; write at "
                                 "most 63 letters, digits, - and _"},
        {"[node]\nname =\n", "config.ini:2: [node] name = : not a node's name; write at most 63 "
                             "letters, digits, - and _"},
        {"[node]\nname = a ; b\n", "config.ini:2: [node] name = a ; b: not a node's name; write at "
                                   "most 63 letters, digits, - and _"},
        {"[node]\nmemory = 64 M\n",
         "config.ini:2: [node] memory = 64 M: not a size; write bytes, or a number with K, M or G"},
        {"[node]\nmemory = 1K\n",
         "config.ini:2: [node] memory = 1K: out of range; write 4M to 64G"},
        {"[node]\nadvertise = host\n",
         "config.ini:2: [node] advertise = host: not an address; write IP or IP:PORT"},
        {"[node]\nadvertise = ::1, ::2, ::3, ::4\n",
         "config.ini:2: [node] advertise = ::1, ::2, ::3, ::4: too many; write at most 3"},
        {"[node]\nindex = a b\n",
         "config.ini:2: [node] index = a b: not a host; write HOST or HOST:PORT"},
        {"[node]\nhosts = a:1\n",
         "config.ini:2: [node] hosts = a:1: not a host name; write the name alone, without port"},
        {"[node]\nlog = loud\n",
         "config.ini:2: [node] log = loud: not a choice; write one of error, warn, info, debug"},
        {"[node]\nper_address = 0\n",
         "config.ini:2: [node] per_address = 0: out of range; write 1 to 65535"},
        {"[node]\nper_address = -1\n",
         "config.ini:2: [node] per_address = -1: not a number; write digits alone"},
        {"[share]\npath =\n",
         "config.ini:2: [share] path = : not a path; write the name of a folder"},
        {"[share]\nscan = 100\n",
         "config.ini:2: [share] scan = 100: not a time; write a number with ms, s, m, h or d"},
        {"[share]\nscan = 9ms\n",
         "config.ini:2: [share] scan = 9ms: out of range; write 10ms to 1h"},
        {"[share]\nscan = 61m\n",
         "config.ini:2: [share] scan = 61m: out of range; write 10ms to 1h"},
        {"[share]\nhash_rate = 2M\n", "config.ini:2: [share] hash_rate = 2M: not a rate; write "
                                      "bytes a second as 500K/s or 2M/s, or 0"},
        {"[index]\nlease = 999ms\n",
         "config.ini:2: [index] lease = 999ms: out of range; write 1s to 1d"},
        {"[node]\nname = \x1b[2J\n",
         "config.ini:2: [node] name = \\x1b[2J: has a control character; write it anew"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config config;
        char err[512];
        int result = read_text(&config, rows[i].text, strlen(rows[i].text), err);
        if (result != -P2P_EINVAL || strcmp(err, rows[i].err) != 0)
            fail_msg("%s: %d, %s", rows[i].text, result, err);
    }
}

static void test_good_file(void **state)
{
    static const char text[] = "\xef\xbb\xbf# p2p\r\n; other comment\r\n[ node ]\r\n  name = "
                               "kitchen \t\r\nlisten: [::1]:80\r\nindex = 10.0.0.5 , pi.lan:1,\r\n"
                               "memory=1.5G\nper_address = 65535\n\n[share]\nignore = *.tmp, a "
                               "b*\nscan = 10ms\nhash_rate = 1M/s\n[index]\nwait = 0";
    struct config config;
    char err[512];
    struct str list, item;
    (void)state;
    assert_int_equal(read_text(&config, text, sizeof(text) - 1, err), 0);
    assert_string_equal(err, "");
    assert_string_equal(config.source, path);
    assert_true(text_is(config_text(&config, "node.name"), "kitchen"));
    assert_true(text_is(config_text(&config, "node.listen"), "[::1]:80"));
    assert_int_equal(config_number(&config, "node.memory"), 3 * 512 * 1024 * 1024);
    assert_int_equal(config_number(&config, "node.per_address"), 65535);
    assert_int_equal(config_number(&config, "share.scan"), 10);
    assert_int_equal(config_number(&config, "share.hash_rate"), 1 << 20);
    assert_int_equal(config_number(&config, "index.wait"), 0);
    list = config_text(&config, "node.index");
    assert_true(config_next(&list, &item) && text_is(item, "10.0.0.5"));
    assert_true(config_next(&list, &item) && text_is(item, "pi.lan:1"));
    assert_false(config_next(&list, &item));
    /* Not in the file: the defaults. */
    assert_int_equal(config_number(&config, "index.lease"), 30000);
    assert_int_equal(config_number(&config, "share.min_free"), 64 << 20);
    assert_true(config_is(&config, "share.watch", "auto"));
    assert_true(config_is_set(&config, "node.name"));
    assert_false(config_is_set(&config, "share.watch"));
}

static void test_long_and_torn_lines(void **state)
{
    static char text[16384];
    struct config config;
    char err[512];
    (void)state;
    for (size_t size = 3999; size <= 4100; size += 1) {
        struct buf buf = buf_on(text, sizeof(text));
        buf_put_text(&buf, "[share]\nignore = ");
        for (size_t i = 0; i < size; i++)
            buf_put_char(&buf, 'i');
        buf_put_text(&buf, "\nscan = 1s\n");
        int result = read_text(&config, text, buf.len, err);
        assert_int_equal(result, size <= CONFIG_TEXT_MAX ? 0 : -P2P_EINVAL);
        if (result == 0)
            assert_int_equal(config_number(&config, "share.scan"), 1000);
        else
            assert_non_null(strstr(err, "config.ini:2: "));
    }
    assert_int_equal(read_text(&config, "[node]\nname = a\0b\n", 18, err), -P2P_EINVAL);
    assert_int_equal(read_text(&config, "", 0, err), 0);
    assert_int_equal(read_text(&config, "\n\n\n", 3, err), 0);
}

/* However little room there is for the reason, it is a text, and nothing behind it is written. */
static void test_small_error_buffers(void **state)
{
    static const char text[] = "[node\n[nodenodenode]\nkeykeykey = valuevaluevalue\n";
    struct config config;
    (void)state;
    write_file(text, sizeof(text) - 1);
    for (size_t size = 1; size < 200; size++) {
        char err[200];
        memset(err, '#', sizeof(err));
        config_init(&config);
        assert_int_equal(config_read(&config, path, err, size), -P2P_EINVAL);
        assert_non_null(memchr(err, '\0', size));
        assert_int_equal(err[size], '#');
        assert_true(size < 80 || err[0] != '\0');
    }
}

static void test_options(void **state)
{
    static const struct {
        const char *name, *value, *err;
    } rows[] = {
        {"node.listen", "x", "--node.listen x: not a port; write PORT or ADDR:PORT"},
        {"node.listn", "1", "--node.listn 1: no such setting; did you mean --node.listen"},
        {"zzz", "1", "--zzz 1: no such setting"},
    };
    static const char text[] = "[node]\nname = file\nlog = warn\n";
    struct config config;
    char err[512] = "";
    (void)state;
    config_init(&config);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(
            config_set(&config, rows[i].name, text_from(rows[i].value), err, sizeof(err)),
            -P2P_EINVAL);
        assert_string_equal(err, rows[i].err);
    }
    /* An option beats the file, read later or before, and a later option an earlier one. */
    assert_int_equal(config_set(&config, "node.name", STR("first"), err, sizeof(err)), 0);
    assert_int_equal(config_set(&config, "node.name", STR(" option "), err, sizeof(err)), 0);
    write_file(text, sizeof(text) - 1);
    assert_int_equal(config_read(&config, path, err, sizeof(err)), 0);
    assert_true(text_is(config_text(&config, "node.name"), "option"));
    assert_true(config_is(&config, "node.log", "warn"));
    assert_int_equal(config_set(&config, "node.log", STR("debug"), err, sizeof(err)), 0);
    assert_true(config_is(&config, "node.log", "debug"));
}

static void test_store_is_bounded(void **state)
{
    struct config config;
    char err[512] = "", value[100];
    int result = 0, count = 0;
    (void)state;
    config_init(&config);
    memset(value, 'v', sizeof(value));
    for (; result == 0 && count < 1000; count++)
        result = config_set(&config, "share.ignore", (struct str){value, sizeof(value)}, err,
                            sizeof(err));
    assert_int_equal(result, -P2P_EINVAL);
    assert_non_null(strstr(err, "write less"));
    assert_int_equal(count, CONFIG_STORE_MAX / 101 + 1);
}

static void test_lookup(void **state)
{
    static const struct {
        const char *name, *near;
    } rows[] = {
        {"node.nam", "node.name"},
        {"node.nmae", "node.name"},
        {"node.nnnnn", NULL},
        {"share.lease", "index.lease"},
        {"lease", "index.lease"},
        {"index.lea", "index.lease"},
        {"", NULL},
        {"transfer.upload-limit", "transfer.upload_limit"},
        {"a-name-far-longer-than-any-key-there-is-"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         NULL},
    };
    const char *near;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(config_lookup(text_from(rows[i].name), &near), -1);
        if (rows[i].near ? !near || strcmp(near, rows[i].near) != 0 : near != NULL)
            fail_msg("%s: %s", rows[i].name, near ? near : "none");
    }
    int index = config_lookup(STR("node.log"), &near);
    assert_true(index >= 0);
    assert_null(near);
    assert_string_equal(config_keys[index].key, "log");
}

static void test_find(void **state)
{
    struct config config;
    char err[512] = "", here[512];
    static const char ours[] = "# p2p\n[node]\nname = here\n",
                      other[] = "# other\n[node]\nname = here\n";
    (void)state;
    unsetenv("P2P_CONFIG");
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(folder), 0);
    write_file(ours, sizeof(ours) - 1);
    config_init(&config);
    assert_int_equal(config_find(&config, NULL, err, sizeof(err)), 0);
    assert_string_equal(config.source, "config.ini");
    assert_true(text_is(config_text(&config, "node.name"), "here"));
    write_file(other, sizeof(other) - 1);
    config_init(&config);
    assert_int_equal(config_find(&config, NULL, err, sizeof(err)), 0);
    assert_string_not_equal(config.source, "config.ini");
    assert_int_equal(config_find(&config, "config.ini", err, sizeof(err)), 0);
    assert_true(text_is(config_text(&config, "node.name"), "here"));
    setenv("P2P_CONFIG", "/nowhere/x.ini", 1);
    assert_int_equal(config_find(&config, NULL, err, sizeof(err)), -P2P_ENOTFOUND);
    assert_string_equal(err, "/nowhere/x.ini: cannot be read: not found");
    unsetenv("P2P_CONFIG");
    assert_int_equal(chdir(here), 0);
}

/* Every default is a value that its own key takes. */
static void test_presets(void **state)
{
    struct config config;
    char err[512] = "";
    (void)state;
    config_init(&config);
    for (int i = 0; config_keys[i].section; i++) {
        const struct config_key *key = &config_keys[i];
        char name[64];
        snprintf(name, sizeof(name), "%s.%s", key->section, key->key);
        assert_string_equal(name, key->name);
        if (key->preset[0] &&
            config_set(&config, key->name, text_from(key->preset), err, sizeof(err)) != 0)
            fail_msg("%s", err);
    }
}

/* One entry of config.ini: the comment above it as one line, and the key behind "#". */
static void check_sample_entry(const char *section, const char *comment, const char *line,
                               bool seen[CONFIG_KEYS_MAX])
{
    struct config config;
    char err[512] = "", name[128], key[64], value[256];
    const char *near;
    assert_int_equal(sscanf(line, "#%63s = %255[^\n]", key, value), 2);
    snprintf(name, sizeof(name), "%s.%s", section, key);
    int index = config_lookup(text_from(name), &near);
    if (index < 0 || seen[index])
        fail_msg("config.ini: %s is %s", name, index < 0 ? "not in the table" : "there twice");
    seen[index] = true;
    config_init(&config);
    if (config_set(&config, name, text_from(value), err, sizeof(err)) != 0)
        fail_msg("config.ini: %s", err);
    if (config_keys[index].preset[0] && strcmp(config_keys[index].preset, value) != 0)
        fail_msg("config.ini: %s = %s, but the default is %s", name, value,
                 config_keys[index].preset);
    if (!text_begins(text_from(comment), text_from(config_keys[index].help)))
        fail_msg("config.ini: %s: \"%s\" instead of \"%s\"", name, comment,
                 config_keys[index].help);
}

static void test_sample_file(void **state)
{
    bool seen[CONFIG_KEYS_MAX] = {false};
    char line[256], section[64] = "", comment[1024] = "";
    FILE *file = fopen("config.ini", "r");
    (void)state;
    if (!file)
        fail_msg("config.ini: to be run in the project's root");
    assert_non_null(fgets(line, sizeof(line), file));
    assert_string_equal(line, "# p2p\n");
    while (fgets(line, sizeof(line), file)) {
        assert_true(strlen(line) <= 101);
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '[')
            sscanf(line, "[%63[a-z]", section);
        else if (line[0] == '#' && line[1] == ' ')
            snprintf(comment + strlen(comment), sizeof(comment) - strlen(comment), "%s%s",
                     comment[0] ? " " : "", line + 2);
        else if (line[0] == '#')
            check_sample_entry(section, comment, line, seen);
        if (line[0] != '#')
            comment[0] = '\0';
    }
    fclose(file);
    for (int i = 0; config_keys[i].section; i++) {
        if (!seen[i])
            fail_msg("config.ini lacks %s", config_keys[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_long_and_torn_lines),
        cmocka_unit_test(test_small_error_buffers),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_store_is_bounded),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_sample_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
