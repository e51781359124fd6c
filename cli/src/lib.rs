//! The cnm command: networks, sandboxes and attachments by hand.
