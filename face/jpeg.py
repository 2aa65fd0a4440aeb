"""The number of passes in a JPEG file, counted on its markers without decoding anything (ITU T.81, annex B)."""

import re

SCAN, END = 0xDA, 0xD9
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
# In coded data a byte FF is followed by 00 or by a restart marker D0 to D7; anything else is the next marker.
NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)


def count_scans(data: bytes) -> int:
    """Scans (start-of-scan markers) up to the end-of-image marker or the end of `data`; 0 when it is no JPEG file."""
    scans, position = 0, 2
    while found := NEXT_MARKER.search(data, position):
        position = found.end()
        marker = data[position - 1]
        if marker == END:
            break
        scans += marker == SCAN
        if marker not in WITHOUT_LENGTH:
            position += int.from_bytes(data[position : position + 2], "big")
    return scans
