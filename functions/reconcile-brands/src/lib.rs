//! Compares the brands with the entries of the CMS, and mends what differs.
