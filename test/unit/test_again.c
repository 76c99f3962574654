/* SPDX-License-Identifier: MIT */
/* Names that are looked up once more: in the first try all are wanted, then only what was noted. */
#include "ui/again.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct again again;

static void only_what_was_noted_is_wanted(void **state)
{
    (void)state;
    again_reset(&again);
    assert_false(again_is_due(&again));
    assert_true(again_take(&again, STR("a")));
    assert_true(again_note(&again, STR("d/b")));
    assert_true(again_note(&again, STR("c")));
    assert_true(again_is_due(&again));
    again_turn(&again);
    assert_false(again_is_due(&again));
    assert_false(again_take(&again, STR("a")));
    assert_false(again_take(&again, STR("d/")));
    assert_true(again_take(&again, STR("c")));
    assert_false(again_take(&again, STR("c")));
    assert_true(text_is(again_missing(&again), "d/b"));
    assert_int_equal(again_missing(&again).len, 0);
}

static void tries_have_an_end(void **state)
{
    (void)state;
    again_reset(&again);
    for (int i = 1; i < AGAIN_TRIES; i++) {
        assert_true(again_note(&again, STR("a")));
        again_turn(&again);
        assert_true(again_take(&again, STR("a")));
    }
    assert_false(again_note(&again, STR("a")));
    assert_false(again_is_due(&again));
    again_reset(&again);
    assert_true(again_note(&again, STR("a")));
}

/* n - 1, n and n + 1 bytes of names. */
static void room_has_an_end(void **state)
{
    static char name[AGAIN_ROOM];
    (void)state;
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = 'x';
    for (size_t len = AGAIN_ROOM - 2; len <= AGAIN_ROOM; len++) {
        again_reset(&again);
        assert_int_equal(again_note(&again, (struct str){name, len}), len < AGAIN_ROOM);
    }
    again_reset(&again);
    assert_true(again_note(&again, (struct str){name, AGAIN_ROOM / 2 - 1}));
    assert_true(again_note(&again, (struct str){name, AGAIN_ROOM / 2 - 1}));
    assert_false(again_note(&again, STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_noted_is_wanted),
        cmocka_unit_test(tries_have_an_end),
        cmocka_unit_test(room_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
