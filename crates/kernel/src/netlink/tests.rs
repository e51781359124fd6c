//! Frames, without a kernel.

use super::*;

fn empty() -> Batch {
    Batch { bytes: Vec::new(), start: 0, first: 7, next: 7 }
}

#[test]
fn lengths_are_those_of_the_padded_message_and_the_bare_attribute() {
    let mut batch = empty();
    assert_eq!(batch.message(16, flags::ACK, &[0; 16]), 7);
    batch.text(3, "lo");
    batch.nest(18, |inner| inner.u8(1, 9));
    batch.nest(19, |_| {});
    assert_eq!(batch.message(20, 0, &[]), 8);
    assert_eq!(batch.len(), 2);
    assert_eq!(read_u32(&batch.bytes), 16 + 16 + 8 + 12 + 4);
    assert_eq!(&batch.bytes[32..40], &[7, 0, 3, 0, b'l', b'o', 0, 0]);
    assert_eq!(&batch.bytes[40..52], &[12, 0, 18, 0x80, 5, 0, 1, 0, 9, 0, 0, 0]);
    assert_eq!(&batch.bytes[52..56], &[4, 0, 19, 0x80]);
    assert_eq!(batch.bytes.len(), 56 + 16);
}

#[test]
fn attributes_are_read_back_and_rubbish_ends_them() {
    let mut batch = empty();
    batch.message(16, 0, &[]);
    batch.u32(5, 77);
    batch.nest(6, |inner| inner.text(1, "x"));
    let mut attributes = Attributes::inside(&batch.bytes[16..]);
    assert_eq!(attributes.find(5).map(read_u32), Some(77));
    attributes.next();
    let (kind, nested) = attributes.next().unwrap();
    assert_eq!((kind, Attributes::inside(nested).find(1).map(read_text)), (6, Some("x".into())));
    assert_eq!(attributes.next(), None);
    assert_eq!(Attributes::inside(&[200, 0, 1, 0, 9]).next(), None);
    assert_eq!(Attributes::inside(&[2, 0, 1, 0]).next(), None);
}

#[test]
fn a_refusal_carries_number_and_words() {
    let mut payload = (-17i32).to_ne_bytes().to_vec();
    payload.extend_from_slice(&[0; HEADER]);
    payload.extend_from_slice(&[9, 0, 1, 0, b't', b'a', b'k', b'e', 0, 0, 0, 0]);
    let message = |flags| Message { kind: NLMSG_ERROR, flags, sequence: 1, payload: &payload };
    let refused = |words: &str| Some(Err(Refusal { errno: 17, words: words.into() }));
    assert_eq!(acknowledgement(&message(flags::CAPPED | flags::ACK_TLVS)), refused("take"));
    assert_eq!(acknowledgement(&message(flags::CAPPED)), refused(""));
    let fine = Message { kind: NLMSG_ERROR, flags: 0, sequence: 1, payload: &[0; 4] };
    assert_eq!(acknowledgement(&fine), Some(Ok(())));
    let object = Message { kind: 16, flags: 0, sequence: 1, payload: &[] };
    assert_eq!(acknowledgement(&object), None);
}
