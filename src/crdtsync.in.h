#include "api.h"

#if defined(CRDTSYNC_IMPLEMENTATION) && !defined(CRDTSYNC_IMPLEMENTED)
#define CRDTSYNC_IMPLEMENTED

/* 1 base */
#include "limits.h"
#include "base.h"
#include "alloc.h"
#include "bytes.h"
#include "utf8.h"
#include "crc32c.h"
#include "error.h"
#include "system.h"
/* 2 containers */
#include "array.h"
#include "sort.h"
#include "hash.h"
#include "pool.h"
#include "arena.h"
/* 3 causality */
#include "dot.h"
#include "ivset.h"
#include "vv.h"
#include "ctx.h"
#include "hlc.h"
/* 4 state */
#include "op.h"
#include "element.h"
#include "state.h"
#include "row.h"
#include "place.h"
#include "life.h"
#include "kill.h"
#include "write.h"
/* 4 sequences */
#include "author.h"
#include "home.h"
#include "span.h"
#include "sequence.h"
/* 5 types */
#include "register.h"
#include "order.h"
#include "counter.h"
#include "bounded.h"
#include "extreme.h"
#include "flag.h"
#include "set.h"
#include "map.h"
#include "text.h"
#include "list.h"
#include "diff.h"
#include "type.h"
/* 6 document */
#include "path.h"
#include "step.h"
#include "event.h"
#include "doc.h"
#include "delta.h"
#include "edit.h"
#include "truncate.h"
#include "plant.h"
#include "replant.h"
#include "graft.h"
#include "join.h"
#include "stroke.h"
/* 7 wire */
#include "codec.h"
#include "frame.h"
#include "wire.h"
/* 8 sync */
#include "message.h"
#include "session.h"
/* 9 node */
#include "node.h"

#endif
