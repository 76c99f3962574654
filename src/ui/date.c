/* SPDX-License-Identifier: MIT */
/* Reading a date without libc's calendar: timegm is no part of POSIX. Pure. */
#include "ui/date.h"

#include <stdio.h>
#include <string.h>

/* Days from 1970 on; the year begins in March, so that the leap day is its last (Hinnant). */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y % 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool date_read(const char *text, int64_t *out_s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = "", zone[4] = "";
    int day, year, hour, minute, second;

    if (strlen(text) != 29 || sscanf(text, "%*3c, %2d %3s %4d %2d:%2d:%2d %3s", &day, month, &year,
                                     &hour, &minute, &second, zone) != 7) {
        return false;
    }
    const char *found = strstr(months, month);
    if (found == NULL || strlen(month) != 3 || (found - months) % 3 != 0 ||
        strcmp(zone, "GMT") != 0 || year < 1970 || day < 1 || day > 31 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 60) {
        return false;
    }
    *out_s = days_of(year, (int)(found - months) / 3 + 1, day) * 86400 + hour * 3600 + minute * 60 +
             second;
    return true;
}
