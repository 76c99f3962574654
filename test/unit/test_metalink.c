/* SPDX-License-Identifier: MIT */
/* Metalink 4 documents, whole and at the bounds of what they are written to. */
#include "wire/metalink.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHA "abababababababababababababababababababababababababababababababab"

static struct metalink_file file_of(const char *name, int64_t size)
{
    static uint8_t sha256[P2P_SHA256_SIZE];
    memset(sha256, 0xab, sizeof(sha256));
    return (struct metalink_file){text_from(name), size, sha256};
}

static void whole_document(void **state)
{
    static const char expected[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n"
        "<generator>p2p/" P2P_VERSION "</generator>\n"
        "<file name=\"&lt;b&gt; &amp; &quot;c&quot;.bin\">\n"
        "<size>1099511627776</size>\n"
        "<hash type=\"sha-256\">" SHA "</hash>\n"
        "<url priority=\"1\">http://10.0.0.5:7751/v1/content/" SHA "</url>\n"
        "<url priority=\"2\">http://[fd00::1]:7751/v1/content/" SHA "</url>\n"
        "</file>\n</metalink>\n";
    char memory[1024];
    struct buf buf = buf_on(memory, sizeof(memory));
    struct metalink_file file = file_of("a/<b> & \"c\".bin", (int64_t)1 << 40);
    (void)state;
    metalink_put_head(&buf, &file);
    metalink_put_holder(&buf, &file, "10.0.0.5:7751", 1);
    metalink_put_holder(&buf, &file, "[fd00::1]:7751", 2);
    metalink_put_end(&buf);
    assert_false(buf.full);
    assert_int_equal(buf.len, sizeof(expected) - 1);
    assert_memory_equal(memory, expected, sizeof(expected) - 1);
}

/* The longest name, of the characters that take most. */
static void longest_head(void **state)
{
    static char memory[P2P_LINE_MAX], name[P2P_PART_MAX + 1];
    struct buf buf = buf_on(memory, sizeof(memory));
    memset(name, '"', P2P_PART_MAX);
    struct metalink_file file = file_of(name, INT64_MAX);
    (void)state;
    metalink_put_head(&buf, &file);
    assert_false(buf.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_document),
        cmocka_unit_test(longest_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
