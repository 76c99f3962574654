/* SPDX-License-Identifier: MIT */
/* What a download may cost others and itself, and how long it waits: every limit of a swarm, on the
 * asking side and on the serving side, with its reason. They stand here since p2p.h is as long as a
 * header may be. */
#ifndef LIMITS_H
#define LIMITS_H

#include "p2p.h"

enum {
    /* patience of a download, ms */
    PATIENCE_MS = 10000, /* nobody can be asked: a node that is started again is back by then; so
                            is, for pieces that no living node has, who had them */
    PATIENCE_HALF = 3,   /* times as long half-way, while whoever had the rest may come back: a
                            board boots in less than 30 s */
    PATIENCE_OVER_MS = 3000,   /* those who had the rest lied, or have it no more: the others were
                                  asked again since */
    TRANSFER_SILENT_MS = 5000, /* without a piece: the user is told, instead of a rate that fades */
    TRANSFER_SLOW_RATE = 100,  /* bytes/ms: and as long as a piece takes on a link of 1 Mbit/s */

    /* holders, in a download */
    DOWNLOAD_FAILS_MAX = 5,  /* failures in a row that end a holder's use in this download */
    DOWNLOAD_RETRY_MS = 250, /* after the first one; doubled for each further: 8 s in all */
    DOWNLOAD_SIZES = 4,      /* sizes that holders state and that are tried: one liar has one */
    HOLDER_AGAIN_MS = 250,   /* between two questions to one holder what it has got meanwhile; */
    HOLDER_SILENT_MS = 1000, /* who tells by itself need not be asked so often */
    CONTACT_HEAD_MS = 10000, /* as long as any head may take */
    CONTACT_BUSY = 16,       /* requests under way: then news is of little use */
    CONTACT_BEGIN_MS = 50,   /* a downloader without a chain yet is asked again after twice that:
                                it has one after two ways to and fro */
    CONTACT_ALONE_MS = 5000, /* whom else a holder knows is asked, while no index answers */
    FETCH_MEET_MS = 150,     /* others that begin at the same time are waited for so long: they join
                                and ask within a tenth of a second */
    FETCH_TRUST = 2,         /* pieces under way at a holder before any was right: one for each of
                                two workers */
    LANE_HEAD_MS = 15000,    /* a holder that has not begun to answer: its queue is too long, or it
                                is stuck */
    LANE_RETRY_MS = 1000,    /* after a busy answer that does not say when: as its Retry-After */
    SOURCES_FIRST_MS = 250,  /* who began at the same time is listed in a moment; then doubled, */
    SOURCES_EVERY_MS = 5000, /* as holders come and go */
    SOURCES_SOON_MS = 500,   /* when a holder says that it has it no more */
    SOURCES_TIMEOUT_MS = 5000, /* then another index is asked */

    /* what other downloaders tell */
    HINTS_RATE = 2,         /* new ones in a second, */
    HINTS_BURST = 16,       /* and at once; more downloaders than that come with the next answers */
    HINTS_MAX = 16,         /* not confirmed, of the 64 holders */
    ASKERS_MAX = 32,        /* remembered: any one of a swarm leads to the others */
    ASKERS_PER_ADDRESS = 8, /* of one machine (loopback is free): who makes up ids drives out its
                               own ones only */
    ASKERS_TOLD = 8,        /* named in an answer: 700 bytes of a head at most */
    ASKERS_KEEP_MS = 15000, /* after the last request: three rounds of those who have no index */
    ASKERS_NEWS = 32,       /* pieces told that nobody has looked at: what fits into a header */
    HINTS_MISLED = 2 * ASKERS_TOLD, /* of a teller: two whole answers of those who have gone */

    /* serving */
    HANDOUT_KEEP_MS = 3000, /* a file stays open for the next request of its connection */
    HANDOUT_WAITING = 32,   /* requests that wait for a slot, of each worker: other programs */
    HANDOUT_NODES = 16,     /* of all workers, from nodes, which go elsewhere meanwhile: with those
                               that are served a swarm of 24, each of which asks for one piece */
    HANDOUT_WAIT_MS = 500,  /* for so long; then they are told to come again */
    HANDOUT_POLL_MS = 5,    /* how soon a slot that another worker gave back is noticed */
    ASKED_LOG = 32,         /* pieces that are told: as many numbers as fit into the header */
    ASKED_IDLE_MS = 1000,   /* after which another content takes the place */
    ASKED_OVER_MS = 10000,  /* after which those who ask are others than those who did */

    /* A piece that another has got from here is not sent again while others were not sent at all.
     * But it is */
    SPARE_FROM_MS = 500,  /* where all leave faster: who is refused comes again after 200 ms; */
    SPARE_PACE_US = 1000, /* or one leaves so fast: 64 KiB at 500 Mbit/s; */
    SPARE_MS = 1000,      /* when nothing new has left for so long: those who have the rest from
                             elsewhere do not ask for it; */
    SPARE_LATE = 16, /* when it takes as long as so many: 8 are sent side by side, and 8 wait; */
    SPARE_LATE_MS = 250, /* but not sooner: those who have it tell so by then; */
    SPARE_PART = 32,     /* when no more than this part is left to be asked for, and */
    SPARE_SENDING = 2    /* fewer are being sent: the rest is on its way, and the link would idle */
};

#endif
