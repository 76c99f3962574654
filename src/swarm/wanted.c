/* SPDX-License-Identifier: MIT */
/* A file that is fetched, as others are told of it, and its holders, as a transfer takes them. Any
 * thread. */
#include "swarm/wanted.h"

#include "base/text.h"

#include <string.h>

void wanted_offer(const struct wanted *file, struct str path, const struct record_id *origin,
                  struct record_offer *out)
{
    *out = (struct record_offer){.path = path,
                                 .size = file->size,
                                 .mtime = file->mtime,
                                 .executable = file->executable,
                                 .hashed = true,
                                 .content = file->content,
                                 .copy = true,
                                 .origin = *origin,
                                 .have = 100};
}

void wanted_holder(const struct wanted_source *source, struct record_result *out)
{
    *out = (struct record_result){.node = source->id,
                                  .name = text_from(source->name),
                                  .address_count = source->addr_count,
                                  .have = 100};
    memcpy(out->address, source->addr, sizeof out->address);
}
