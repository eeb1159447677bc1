/// The outcome of a call: the numbers of RFC 8881 §15.1 where the meaning is the same, our own from 20000 on.
///
/// A struct around the number, so that a newer peer's status survives.
public struct LayoutStatus: RawRepresentable, Hashable, Sendable, Error {
    /// The number on the wire.
    public let rawValue: UInt32

    /// Makes a status from its number.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    private init(_ rawValue: UInt32) { self.rawValue = rawValue }

    /// Done (`LL_OK`).
    public static var ok: LayoutStatus { LayoutStatus(0) }
    /// Not the owner (`LL_PERM`).
    public static var notPermitted: LayoutStatus { LayoutStatus(1) }
    /// No such file or record (`LL_NOENT`).
    public static var noEntry: LayoutStatus { LayoutStatus(2) }
    /// The storage failed (`LL_IO`).
    public static var ioError: LayoutStatus { LayoutStatus(5) }
    /// The caller has no permission (`LL_ACCESS`).
    public static var access: LayoutStatus { LayoutStatus(13) }
    /// The file exists (`LL_EXIST`).
    public static var exists: LayoutStatus { LayoutStatus(17) }
    /// Another filesystem (`LL_XDEV`).
    public static var crossDevice: LayoutStatus { LayoutStatus(18) }
    /// Not a directory (`LL_NOTDIR`).
    public static var notDirectory: LayoutStatus { LayoutStatus(20) }
    /// A directory (`LL_ISDIR`).
    public static var isDirectory: LayoutStatus { LayoutStatus(21) }
    /// An argument makes no sense (`LL_INVAL`).
    public static var invalid: LayoutStatus { LayoutStatus(22) }
    /// The file would be too large (`LL_FBIG`).
    public static var fileTooBig: LayoutStatus { LayoutStatus(27) }
    /// The filesystem is full (`LL_NOSPC`).
    public static var noSpace: LayoutStatus { LayoutStatus(28) }
    /// The filesystem is read-only (`LL_ROFS`).
    public static var readOnlyFileSystem: LayoutStatus { LayoutStatus(30) }
    /// Too many links (`LL_MLINK`).
    public static var tooManyLinks: LayoutStatus { LayoutStatus(31) }
    /// A name is too long (`LL_NAMETOOLONG`).
    public static var nameTooLong: LayoutStatus { LayoutStatus(63) }
    /// The directory is not empty (`LL_NOTEMPTY`).
    public static var notEmpty: LayoutStatus { LayoutStatus(66) }
    /// The quota is used up (`LL_DQUOT`).
    public static var quota: LayoutStatus { LayoutStatus(69) }
    /// The file is gone (`LL_STALE`).
    public static var stale: LayoutStatus { LayoutStatus(70) }
    /// Not a handle of this server (`LL_BADHANDLE`).
    public static var badHandle: LayoutStatus { LayoutStatus(10001) }
    /// Not supported here (`LL_NOTSUPP`).
    public static var notSupported: LayoutStatus { LayoutStatus(10004) }
    /// A limit in the arguments is too small (`LL_TOOSMALL`).
    public static var tooSmall: LayoutStatus { LayoutStatus(10005) }
    /// The server failed in a way that has no other code (`LL_SERVERFAULT`).
    public static var serverFault: LayoutStatus { LayoutStatus(10006) }
    /// The wrong type of file (`LL_BADTYPE`).
    public static var badType: LayoutStatus { LayoutStatus(10007) }
    /// Not now; nothing was done; try again with a new sequence (`LL_DELAY`).
    public static var delay: LayoutStatus { LayoutStatus(10008) }
    /// The lease ran out (`LL_EXPIRED`).
    public static var expired: LayoutStatus { LayoutStatus(10011) }
    /// The server waits for reclaims after a restart (`LL_GRACE`).
    public static var grace: LayoutStatus { LayoutStatus(10013) }
    /// Another principal has this client owner (`LL_CLID_INUSE`).
    public static var clientIDInUse: LayoutStatus { LayoutStatus(10017) }
    /// A table of the server is full (`LL_RESOURCE`).
    public static var resource: LayoutStatus { LayoutStatus(10018) }
    /// No such client (`LL_STALE_CLIENTID`).
    public static var staleClientID: LayoutStatus { LayoutStatus(10022) }
    /// The stateid's seqid is behind (`LL_OLD_STATEID`).
    public static var oldStateID: LayoutStatus { LayoutStatus(10024) }
    /// No such stateid: returned, revoked or never given (`LL_BAD_STATEID`).
    public static var badStateID: LayoutStatus { LayoutStatus(10025) }
    /// The verifier is not the same (`LL_NOT_SAME`).
    public static var notSame: LayoutStatus { LayoutStatus(10027) }
    /// A symbolic link (`LL_SYMLINK`).
    public static var symbolicLink: LayoutStatus { LayoutStatus(10029) }
    /// Too late or too early for a reclaim (`LL_NO_GRACE`).
    public static var noGrace: LayoutStatus { LayoutStatus(10033) }
    /// A reclaim of what the caller did not hold (`LL_RECLAIM_BAD`).
    public static var reclaimBad: LayoutStatus { LayoutStatus(10034) }
    /// The arguments cannot be decoded (`LL_BADXDR`).
    public static var badXDR: LayoutStatus { LayoutStatus(10036) }
    /// A name that no file can have (`LL_BADNAME`).
    public static var badName: LayoutStatus { LayoutStatus(10041) }
    /// The caller would wait for itself (`LL_DEADLOCK`).
    public static var deadlock: LayoutStatus { LayoutStatus(10045) }
    /// An iomode that is not one here (`LL_BADIOMODE`).
    public static var badIOMode: LayoutStatus { LayoutStatus(10049) }
    /// No layout can be given for this range (`LL_BADLAYOUT`).
    public static var badLayout: LayoutStatus { LayoutStatus(10050) }
    /// No such session (`LL_BADSESSION`).
    public static var badSession: LayoutStatus { LayoutStatus(10052) }
    /// No such slot (`LL_BADSLOT`).
    public static var badSlot: LayoutStatus { LayoutStatus(10053) }
    /// RECLAIM_COMPLETE was sent before (`LL_COMPLETE_ALREADY`).
    public static var completeAlready: LayoutStatus { LayoutStatus(10054) }
    /// This connection does not belong to the session (`LL_CONN_NOT_BOUND_TO_SESSION`).
    public static var connectionNotBound: LayoutStatus { LayoutStatus(10055) }
    /// Not now, perhaps later (`LL_LAYOUTTRYLATER`).
    public static var layoutTryLater: LayoutStatus { LayoutStatus(10058) }
    /// No layouts for this file or client; use READ and WRITE (`LL_LAYOUTUNAVAILABLE`).
    public static var layoutUnavailable: LayoutStatus { LayoutStatus(10059) }
    /// A recall met nothing (`LL_NOMATCHING_LAYOUT`).
    public static var noMatchingLayout: LayoutStatus { LayoutStatus(10060) }
    /// A mapping change is under way on the range (`LL_RECALLCONFLICT`).
    public static var recallConflict: LayoutStatus { LayoutStatus(10061) }
    /// An addressing that the server does not know (`LL_UNKNOWN_LAYOUTTYPE`).
    public static var unknownLayoutType: LayoutStatus { LayoutStatus(10062) }
    /// The sequence is neither the last one nor the next (`LL_SEQ_MISORDERED`).
    public static var sequenceMisordered: LayoutStatus { LayoutStatus(10063) }
    /// Larger than the session allows (`LL_REQ_TOO_BIG`).
    public static var requestTooBig: LayoutStatus { LayoutStatus(10065) }
    /// The reply would be larger than the session allows (`LL_REP_TOO_BIG`).
    public static var replyTooBig: LayoutStatus { LayoutStatus(10066) }
    /// The reply would be too large to cache (`LL_REP_TOO_BIG_TO_CACHE`).
    public static var replyTooBigToCache: LayoutStatus { LayoutStatus(10067) }
    /// A retry of a call whose reply was not cached (`LL_RETRY_UNCACHED_REP`).
    public static var retryUncachedReply: LayoutStatus { LayoutStatus(10068) }
    /// The client still has sessions or layouts (`LL_CLIENTID_BUSY`).
    public static var clientIDBusy: LayoutStatus { LayoutStatus(10074) }
    /// The same slot and sequence with other arguments (`LL_SEQ_FALSE_RETRY`).
    public static var falseRetry: LayoutStatus { LayoutStatus(10076) }
    /// A highest slot beyond the session's (`LL_BAD_HIGH_SLOT`).
    public static var badHighSlot: LayoutStatus { LayoutStatus(10077) }
    /// The session only answers retries (`LL_DEADSESSION`).
    public static var deadSession: LayoutStatus { LayoutStatus(10078) }
    /// The range is recalled and not yet returned (`LL_RETURNCONFLICT`).
    public static var returnConflict: LayoutStatus { LayoutStatus(10086) }
    /// An exclusive layout is in the way (`LL_TXTBSY`).
    public static var textBusy: LayoutStatus { LayoutStatus(20001) }
    /// No such device or no such byte (`LL_NXIO`).
    public static var noSuchAddress: LayoutStatus { LayoutStatus(20002) }
    /// A crash left a mapping change neither undone nor done (`LL_OUTCOME_UNKNOWN`).
    public static var outcomeUnknown: LayoutStatus { LayoutStatus(20003) }
}

extension LayoutStatus: CustomStringConvertible {
    private static let names: [UInt32: String] = [
        0: "OK", 1: "PERM", 2: "NOENT", 5: "IO", 13: "ACCESS", 17: "EXIST", 18: "XDEV", 20: "NOTDIR", 21: "ISDIR",
        22: "INVAL", 27: "FBIG", 28: "NOSPC", 30: "ROFS", 31: "MLINK", 63: "NAMETOOLONG", 66: "NOTEMPTY",
        69: "DQUOT", 70: "STALE", 10001: "BADHANDLE", 10004: "NOTSUPP", 10005: "TOOSMALL", 10006: "SERVERFAULT",
        10007: "BADTYPE", 10008: "DELAY", 10011: "EXPIRED", 10013: "GRACE", 10017: "CLID_INUSE",
        10018: "RESOURCE", 10022: "STALE_CLIENTID", 10024: "OLD_STATEID", 10025: "BAD_STATEID",
        10027: "NOT_SAME", 10029: "SYMLINK", 10033: "NO_GRACE", 10034: "RECLAIM_BAD", 10036: "BADXDR", 10041: "BADNAME",
        10045: "DEADLOCK", 10049: "BADIOMODE", 10050: "BADLAYOUT", 10052: "BADSESSION", 10053: "BADSLOT",
        10054: "COMPLETE_ALREADY", 10055: "CONN_NOT_BOUND_TO_SESSION", 10058: "LAYOUTTRYLATER",
        10059: "LAYOUTUNAVAILABLE", 10060: "NOMATCHING_LAYOUT", 10061: "RECALLCONFLICT",
        10062: "UNKNOWN_LAYOUTTYPE", 10063: "SEQ_MISORDERED", 10065: "REQ_TOO_BIG", 10066: "REP_TOO_BIG",
        10067: "REP_TOO_BIG_TO_CACHE", 10068: "RETRY_UNCACHED_REP", 10074: "CLIENTID_BUSY",
        10076: "SEQ_FALSE_RETRY", 10077: "BAD_HIGH_SLOT", 10078: "DEADSESSION", 10086: "RETURNCONFLICT",
        20001: "TXTBSY", 20002: "NXIO", 20003: "OUTCOME_UNKNOWN",
    ]

    /// The protocol's name without its prefix, for example `DELAY`; the number if it has none here.
    public var description: String { Self.names[self.rawValue] ?? "status \(self.rawValue)" }
}
