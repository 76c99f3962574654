/* SPDX-License-Identifier: MIT */
/* The proleptic Gregorian calendar, both ways. A year begins in March here, so that the leap day is
 * its last (Hinnant). Pure. */
#include "base/date.h"

enum { DAY_S = 86400, ERA_DAYS = 146097, TO_1970 = 719468 };

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct date {
    int year, month, day;
};

static struct date date_of(int64_t days_since_1970)
{
    int64_t days = days_since_1970 + TO_1970;
    int64_t era = days / ERA_DAYS, of_era = days % ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;

    return (struct date){.year = (int)(year + era * 400 + (month <= 2)),
                         .month = (int)month,
                         .day = (int)(of_year - (153 * from_march + 2) / 5 + 1)};
}

static int64_t days_of(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = year / 400, of_era = year % 400;
    int64_t from_march = date.month > 2 ? date.month - 3 : date.month + 9;
    int64_t of_year = (153 * from_march + 2) / 5 + date.day - 1;

    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_1970;
}

static void put_time(struct buf *buf, int64_t unix_s)
{
    int second = (int)(unix_s % DAY_S);

    buf_printf(buf, "%02d:%02d:%02d", second / 3600, second / 60 % 60, second % 60);
}

void date_put(struct buf *buf, int64_t unix_s)
{
    struct date date = date_of(unix_s / DAY_S);

    buf_printf(buf, "%04d-%02d-%02d ", date.year, date.month, date.day);
    put_time(buf, unix_s);
}

void date_put_http(struct buf *buf, int64_t unix_s)
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */
    struct date date = date_of(unix_s / DAY_S);

    buf_printf(buf, "%.3s, %02d %.3s %04d ", weekdays + unix_s / DAY_S % 7 * 3, date.day,
               months + (date.month - 1) * 3, date.year);
    put_time(buf, unix_s);
    buf_put_text(buf, " GMT");
}

/* Of decimal digits alone; -1: something else is among them. */
static int number(const char *text, int digits)
{
    int value = 0;

    for (int i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + text[i] - '0';
    }
    return value;
}

static int month_of(const char *name)
{
    for (int i = 0; i < 12; i++) {
        if (memcmp(months + 3 * i, name, 3) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static bool has_form(const char *text)
{
    static const char form[] = "___, __ ___ ____ __:__:__ GMT";

    for (size_t i = 0; i < sizeof form; i++) {
        if (text[i] != form[i] && (form[i] != '_' || text[i] == 0)) {
            return false;
        }
    }
    return true;
}

bool date_read_http(const char *text, int64_t *out_s)
{
    if (!has_form(text)) {
        return false;
    }
    struct date date = {number(text + 12, 4), month_of(text + 8), number(text + 5, 2)};
    int hour = number(text + 17, 2), minute = number(text + 20, 2), second = number(text + 23, 2);
    if (date.year < 1970 || date.month == 0 || date.day < 1 || date.day > 31 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return false;
    }
    *out_s = days_of(date) * DAY_S + hour * 3600 + minute * 60 + second;
    return true;
}
