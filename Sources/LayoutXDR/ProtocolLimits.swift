import CLayoutXDR

/// The bounds of `Protocol/layout.x`, in bytes or elements.
///
/// Decoding refuses what is longer. Encoding cuts text for people (``name``, ``detail``) and what is only shown;
/// anything else over its bound is a mistake of the caller and traps.
package enum ProtocolLimits {
    /// Bytes of a client's or server's owner.
    package static var owner: Int { Int(LL_OWNER_MAX) }
    /// Bytes of a path or of the descriptor socket's address.
    package static var path: Int { Int(LL_PATH_MAX) }
    /// Bytes of a directory entry's name, a command name or a peer's address.
    package static var name: Int { Int(LL_NAME_MAX) }
    /// Bytes of ``Failure/detail``.
    package static var detail: Int { Int(LL_DETAIL_MAX) }
    /// Bytes in one READ or WRITE.
    package static var io: Int { Int(LL_IO_MAX) }
    /// Extents in one LAYOUTGET reply.
    package static var extents: Int { Int(LL_EXTENTS_MAX) }
    /// Shifts in one LAYOUTGET reply.
    package static var shifts: Int { Int(LL_SHIFTS_MAX) }
    /// Names in one READDIR reply.
    package static var entries: Int { Int(LL_ENTRIES_MAX) }
    /// Records in one STATE reply.
    package static var records: Int { Int(LL_STATE_MAX) }
    /// Clients that ``WaitingState/waitsFor`` names.
    package static var waitsFor: Int { Int(LL_REFERRING_MAX) }
    /// Bytes of a boot ID.
    package static var bootID: Int { Int(LL_BOOTID_SIZE) }
}
