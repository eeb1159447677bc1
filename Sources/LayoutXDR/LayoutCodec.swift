/// Turns the values of this module into XDR (RFC 4506) and back, by way of libtirpc and the routines that rpcgen made
/// from `Protocol/layout.x`.
///
/// Bodies are what follows the RPC header (RFC 5531 §9). Functions may be called from any thread; they share nothing.
///
/// **Decoding** takes bytes from anybody. A body is accepted only if it is exactly what an encoder writes for the value
/// that comes out: bools are 0 or 1, padding is zero, nothing follows, enums are known, ranges do not overflow, and
/// fields that have no meaning because of another one are zero. The exceptions:
/// - Statuses and flags may be unknown; so may `addressing` and `ioMode` of LAYOUTGET, which the server refuses with a
///   status of their own.
/// - Text for people that is not UTF-8 is repaired, and cut at its bound should the repair have made it longer.
/// - What CB_NOTIFY_DEVICEID announces is checked and dropped: the call is reserved.
///
/// Nothing traps. libtirpc allocates an array when it has read its count, before its elements: a short record can make
/// it allocate 256 KiB more than the record holds (the bounds of `layout.x`), which are free again before the call
/// returns.
///
/// **Encoding** takes values from our own program. Text for people is cut at its bound; other things over their bound
/// (``ProtocolLimits``) are a mistake of the caller and trap.
///
/// SEQUENCE, GETATTR, LAYOUTGET and LAYOUTRETURN calls decode, and their replies encode, without heap allocations other
/// than for what the value or the buffer needs; a grant whose extents and shifts (32 bytes each) fill more than
/// ``WireArena/stackBytes`` takes one or two more while it is encoded.
package enum LayoutCodec {}
