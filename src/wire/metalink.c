/* SPDX-License-Identifier: MIT */
/* Writes Metalink 4. Only a file's name comes from strangers, so only that is escaped; addresses
 * and digits are made here. There are no hashes of pieces: the states of a chain are none. Any
 * thread. */
#include "wire/metalink.h"

#include "base/name.h"

void metalink_put_head(struct buf *buf, const struct metalink_file *file)
{
    buf_put(buf, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                     "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n"
                     "<generator>p2p/" P2P_VERSION "</generator>\n<file name=\""));
    buf_put_xml(buf, name_base(file->name));
    buf_put(buf, STR("\">\n<size>"));
    buf_put_i64(buf, file->size);
    buf_put(buf, STR("</size>\n<hash type=\"sha-256\">"));
    buf_put_hex(buf, file->sha256, P2P_SHA256_SIZE);
    buf_put(buf, STR("</hash>\n"));
}

void metalink_put_holder(struct buf *buf, const struct metalink_file *file, const char *address,
                         unsigned priority)
{
    buf_printf(buf, "<url priority=\"%u\">http://%s/v1/content/", priority, address);
    buf_put_hex(buf, file->sha256, P2P_SHA256_SIZE);
    buf_put(buf, STR("</url>\n"));
}

void metalink_put_end(struct buf *buf)
{
    buf_put(buf, STR("</file>\n</metalink>\n"));
}
