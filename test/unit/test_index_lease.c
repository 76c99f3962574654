/* SPDX-License-Identifier: MIT */
/* Liveness as tables: what is believed of a node at which time, and what connecting back to it
 * tells. */
#include "index/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { LEASE = 30000, T = 1000000 };

static void at_which_time(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct lease_facts facts;
        int64_t now, next;
        enum lease_verdict expected;
    } rows[] = {
        {"fresh",
         {.state = RECORD_ACTIVE, .attached = true, .heard_ms = T},
         T,
         T + LEASE,
         LEASE_KEEP},
        {"lease n-1",
         {.state = RECORD_ACTIVE, .attached = true, .heard_ms = T},
         T + LEASE - 1,
         T + LEASE,
         LEASE_KEEP},
        {"a connection is no word",
         {.state = RECORD_ACTIVE, .attached = true, .heard_ms = T},
         T + LEASE,
         0,
         LEASE_LOST},
        {"lease n+1",
         {.state = RECORD_ACTIVE, .attached = true, .heard_ms = T},
         T + LEASE + 1,
         0,
         LEASE_LOST},
        {"never attached",
         {.state = RECORD_ACTIVE, .heard_ms = T},
         T + LEASE - 1,
         T + LEASE,
         LEASE_KEEP},
        {"dropped, grace n-1",
         {.state = RECORD_ACTIVE, .heard_ms = T, .dropped_ms = T + 10},
         T + 10 + P2P_GRACE_MS - 1,
         T + 10 + P2P_GRACE_MS,
         LEASE_KEEP},
        {"dropped, grace n",
         {.state = RECORD_ACTIVE, .heard_ms = T, .dropped_ms = T + 10},
         T + 10 + P2P_GRACE_MS,
         T + LEASE,
         LEASE_SUSPECT},
        {"dropped, but it answered",
         {.state = RECORD_ACTIVE, .answered = true, .heard_ms = T, .dropped_ms = T + 10},
         T + 10 + P2P_GRACE_MS,
         T + LEASE,
         LEASE_KEEP},
        {"dropped and back",
         {.state = RECORD_ACTIVE, .attached = true, .heard_ms = T, .dropped_ms = T + 10},
         T + 10 + P2P_GRACE_MS,
         T + LEASE,
         LEASE_KEEP},
        {"dropped just before the lease ends",
         {.state = RECORD_ACTIVE, .heard_ms = T, .dropped_ms = T + LEASE - 10},
         T + LEASE - 5,
         T + LEASE,
         LEASE_KEEP},
        {"suspect stays so",
         {.state = RECORD_SUSPECT, .heard_ms = T, .dropped_ms = T + 10},
         T + LEASE - 1,
         T + LEASE,
         LEASE_KEEP},
        {"suspect at the end",
         {.state = RECORD_SUSPECT, .heard_ms = T, .dropped_ms = T + 10},
         T + LEASE,
         0,
         LEASE_LOST},
        {"an answer does not renew",
         {.state = RECORD_ACTIVE, .answered = true, .heard_ms = T, .dropped_ms = T + 10},
         T + LEASE,
         0,
         LEASE_LOST},
        {"hearsay at the end", {.state = RECORD_HEARSAY, .heard_ms = T}, T + LEASE, 0, LEASE_LOST},
        {"tombstone n-1",
         {.state = RECORD_LEFT, .left_ms = T},
         T + 2 * LEASE - 1,
         T + 2 * LEASE,
         LEASE_KEEP},
        {"tombstone n", {.state = RECORD_LEFT, .left_ms = T}, T + 2 * LEASE, 0, LEASE_FORGET},
        {"tombstone that is denied, n-1",
         {.state = RECORD_LEFT, .left_ms = T, .denied_ms = T + 3 * LEASE},
         T + 3 * LEASE - 1,
         T + 3 * LEASE,
         LEASE_KEEP},
        {"tombstone that is denied, n",
         {.state = RECORD_LEFT, .left_ms = T, .denied_ms = T + 3 * LEASE},
         T + 3 * LEASE,
         0,
         LEASE_FORGET},
        {"tombstone that was denied early",
         {.state = RECORD_LEFT, .left_ms = T, .denied_ms = T + LEASE},
         T + 2 * LEASE - 1,
         T + 2 * LEASE,
         LEASE_KEEP},
        {"tombstone that joins again",
         {.state = RECORD_LEFT, .busy = true, .left_ms = T},
         T + 2 * LEASE,
         T + 3 * LEASE,
         LEASE_KEEP},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t next = 0;
        enum lease_verdict verdict = lease_judge(&rows[i].facts, LEASE, rows[i].now, &next);
        if (verdict != rows[i].expected || (rows[i].next && next != rows[i].next))
            fail_msg("%s: verdict %d, next %lld", rows[i].name, (int)verdict, (long long)next);
    }
}

static void what_connecting_back_tells(void **state)
{
    (void)state;
    static const struct {
        int result;
        bool was_reachable;
        enum lease_verdict expected;
    } rows[] = {
        {0, true, LEASE_KEEP},
        {0, false, LEASE_KEEP},
        {-P2P_EREFUSED, true, LEASE_LOST},
        {-P2P_EREFUSED, false, LEASE_LOST},
        {-P2P_EPROTO, true, LEASE_LOST},
        {-P2P_EPROTO, false, LEASE_SUSPECT},
        {-P2P_ETIMEOUT, true, LEASE_SUSPECT},
        {-P2P_EUNREACH, true, LEASE_SUSPECT},
        {-P2P_ECLOSED, true, LEASE_SUSPECT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (lease_after_drop(rows[i].result, rows[i].was_reachable) != rows[i].expected)
            fail_msg("%d, reachable %d", rows[i].result, rows[i].was_reachable);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_which_time),
        cmocka_unit_test(what_connecting_back_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
