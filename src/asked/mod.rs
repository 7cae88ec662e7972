//! What the person asked for: parsing and printing, no I/O. Knows no other room.
