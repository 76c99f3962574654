/* SPDX-License-Identifier: MIT */
/* Who gave a download its bytes, and how near it came to the bound. Loop thread. */
#ifndef REPORT_H
#define REPORT_H

#include "swarm/download.h"

/* Adds sources and bound to out, whose other figures are set; began_ms: when the download did. */
void report_sources(const struct download *download, int64_t began_ms,
                    struct transfer_progress *out);
/* Turns RUNNING into SILENT when no piece has come for some time. */
void report_silence(const struct download *download, int64_t now_ms, struct transfer_progress *out);

#endif
