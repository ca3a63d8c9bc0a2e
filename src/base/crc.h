/* src/base/crc.h — checksums. crc32c: Castagnoli (iSCSI), hardware when the processor has it; crc32: IEEE 802.3
 * (Puffin, gzip). Both take the previous value (0 at first) to go on with. */
#ifndef TARN_BASE_CRC_H
#define TARN_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *p, size_t n);
uint32_t crc32_ieee(uint32_t crc, const void *p, size_t n);

#endif
