/* SPDX-License-Identifier: MIT */
/* Downloaders who serve what they have and who asked this node for the same content: uploads note
 * them from the header P2P-Peers of a request, with the new pieces that its P2P-Have tells;
 * answers to `have` name them to each other, and a download under way here takes them as hints. So
 * a swarm goes on, and grows, when no index answers. Any thread, so a mutex: each upload worker
 * notes and names with every request, in its answer's head, and the download's loop takes. A post
 * to the loop and one back would cost each piece two wake-ups and a job. */
#ifndef ASKERS_H
#define ASKERS_H

#include "platform/plat.h"
#include "platform/plat_net.h"
#include "swarm/limits.h"
#include "wire/record.h"

/* A downloader, and where it serves. */
struct asker {
    struct record_id id;
    struct plat_addr addr;
};

/* What it asked for, and told. */
struct askers_entry {
    struct asker who;
    struct record_content content;
    int64_t heard_ms; /* 0: free */
    bool fresh;       /* since it was taken */
    uint32_t news_count;
    uint32_t news[ASKERS_NEWS]; /* pieces that it has got */
};

struct askers {
    struct plat_mutex mutex;
    uint32_t turn; /* of who is named first */
    struct askers_entry entries[ASKERS_MAX];
};

/* ---- the headers ---- */

/* "ID@ADDR:PORT,ID@ADDR:PORT": up to max of them, the first ones up to one that is wrong. How many.
 */
int askers_read(struct str list, struct asker *out, int max);
void askers_put(struct buf *buf, const struct asker *who);
/* The line "P2P-Have: 17,18,40" of a request's head, of such a list; none of an empty one. */
void askers_put_have(struct buf *headers, struct str list);
/* "17,18,40": the next one that is less than pieces; what is none is passed over. False: no more.
 */
bool askers_next_piece(struct str *list, uint32_t pieces, uint32_t *out);

/* ---- the table ---- */

void askers_init(struct askers *askers);
/* who asked for content at who->addr, and tells of these pieces (the list of a P2P-Have). */
void askers_note(struct askers *askers, const struct record_content *content,
                 const struct asker *who, struct str news, int64_t now_ms);
/* Others that asked for it lately, at most ASKERS_TOLD, other ones each time. How many. */
int askers_name(struct askers *askers, const struct record_content *content,
                const struct record_id *but, int64_t now_ms, struct asker out[static ASKERS_TOLD]);
/* The next entry from number at on that asked for this since it was taken last; its news are taken
 * with it. Where to go on; 0: none. */
int askers_take(struct askers *askers, const struct record_content *content, int at,
                struct askers_entry *out);

#endif
