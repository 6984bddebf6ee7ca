/* Reads one PDU in hexadecimal per line and says what libsmpp34 thinks of it:
 *   ok 0x00000004
 *   bad 0x00000004 <its own words>
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <libsmpp34/smpp34.h>
#include <libsmpp34/smpp34_structs.h>
#include <libsmpp34/smpp34_params.h>

#define LARGEST 65536

int main(void) {
    static char line[2 * LARGEST + 2];
    static uint8_t octets[LARGEST], dump[8 * LARGEST], unpacked[2 * LARGEST];

    while (fgets(line, sizeof line, stdin)) {
        int length = 0;
        unsigned octet;
        while (length < LARGEST && sscanf(line + 2 * length, "%2x", &octet) == 1)
            octets[length++] = (uint8_t)octet;
        if (length < 16) {
            puts("bad 0x00000000 shorter than a header");
            continue;
        }
        uint32_t command = (uint32_t)octets[4] << 24 | octets[5] << 16 | octets[6] << 8 | octets[7];
        memset(unpacked, 0, sizeof unpacked);
        memset(dump, 0, sizeof dump);
        if (smpp34_unpack(command, unpacked, octets, length) != 0 ||
            smpp34_dumpPdu(command, dump, (int)sizeof dump, unpacked) != 0)
            printf("bad 0x%08x %s\n", command, smpp34_strerror);
        else
            printf("ok 0x%08x\n", command);
        fflush(stdout);
    }
    return 0;
}
