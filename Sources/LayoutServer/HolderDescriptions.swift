import LayoutCore
import LeaseEngine
import LinuxFiles

/// The open file descriptions that holders of layouts were given: one per holder and iomode.
///
/// Each has an OFD lock on a byte of its own, by which its holder's reach is proven (specification R7.1-8). The numbers
/// of the bytes are never used again in the life of a server, and unlikely to be those of an earlier one: a part of
/// them is drawn at the start. Bound to its event loop.
struct HolderDescriptions {
    /// One description.
    struct Description {
        /// The number of its lock byte.
        let lock: UInt64
        let token: DescriptorToken
        /// Who fetched it; `nil` as long as nobody has.
        var peer: PeerCredentials?
        /// The holder gave layouts back since: perhaps all of this iomode, and then it has closed the descriptor.
        var mayBeClosed = false
    }

    private struct Holder {
        var byMode: [IOMode: Description] = [:]
    }

    /// The client and file of a holder.
    struct Place: Hashable {
        let client: ClientID
        let file: FileID
    }

    private let lockBase: UInt64
    private var lastLock: UInt64 = 0
    private var holders: [LeaseEngine.HolderID: Holder] = [:]
    private var byPlace: [Place: LeaseEngine.HolderID] = [:]
    private var places: [LeaseEngine.HolderID: Place] = [:]
    let tokens: TokenTable

    /// Makes an empty table; `life` is drawn at the start of the server, and its low 21 bits count.
    init(life: UInt32, tokens: TokenTable) {
        self.lockBase = UInt64(life & 0x1f_ffff) << 40
        self.tokens = tokens
    }

    /// Whether a lock's number is one of this life's.
    func isOwn(_ lock: UInt64) -> Bool { (lock >> 40) << 40 == self.lockBase }

    /// The range of this life's numbers, for other threads.
    var ownLocks: ClosedRange<UInt64> { self.lockBase...(self.lockBase | 0xff_ffff_ffff) }

    /// A number for the lock byte of a new description.
    mutating func nextLock() -> UInt64 {
        self.lastLock += 1
        return self.lockBase | self.lastLock
    }

    /// A grant was made: remembers whose the holder is.
    mutating func remember(_ holder: LeaseEngine.HolderID, _ client: ClientID, _ file: FileID) {
        let place = Place(client: client, file: file)
        guard self.byPlace[place] != holder else { return }
        self.byPlace[place] = holder
        self.places[holder] = place
    }

    /// The holder that a client is of a file.
    func holder(_ client: ClientID, _ file: FileID) -> LeaseEngine.HolderID? {
        self.byPlace[Place(client: client, file: file)]
    }

    /// The description that a holder was given for an iomode.
    func find(_ holder: LeaseEngine.HolderID, _ ioMode: IOMode) -> Description? { self.holders[holder]?.byMode[ioMode] }

    /// A description, locked, waits under a token now; `nil` if too many wait.
    mutating func add(
        _ descriptor: SharedDescriptor,
        lock: UInt64,
        token: DescriptorToken,
        to holder: LeaseEngine.HolderID,
        _ ioMode: IOMode,
        uid: UInt32
    ) -> Bool {
        let waiting = TokenTable.Waiting(descriptor: descriptor, holder: holder, lock: lock, uid: uid)
        guard self.tokens.insert(waiting, under: token) else { return false }
        if let old = self.holders[holder]?.byMode[ioMode] { self.tokens.remove(old.token) }
        self.holders[holder, default: Holder()].byMode[ioMode] = Description(lock: lock, token: token)
        return true
    }

    /// A token was shown.
    ///
    /// A descriptor that could not be sent is closed: the next grant brings another one.
    mutating func redeemed(_ redemption: TokenTable.Redemption) {
        for (ioMode, description) in self.holders[redemption.holder]?.byMode ?? [:]
        where description.lock == redemption.lock {
            if redemption.wasSent {
                self.holders[redemption.holder]?.byMode[ioMode]?.peer = redemption.peer
            } else {
                self.holders[redemption.holder]?.byMode[ioMode] = nil
            }
        }
    }

    /// A holder gave a part back: whether it still uses its descriptors is to be looked at with its next grant.
    mutating func partWasReturned(_ holder: LeaseEngine.HolderID) {
        for ioMode in [IOMode.read, .readWrite] { self.holders[holder]?.byMode[ioMode]?.mayBeClosed = true }
    }

    /// The look was had: the holder still holds layouts of the iomode, or (`false`) it has closed the descriptor.
    mutating func settle(_ holder: LeaseEngine.HolderID, _ ioMode: IOMode, isInUse: Bool) {
        if isInUse {
            self.holders[holder]?.byMode[ioMode]?.mayBeClosed = false
        } else if let old = self.holders[holder]?.byMode.removeValue(forKey: ioMode) {
            self.tokens.remove(old.token)
        }
    }

    /// The holder is gone: what it has not fetched is closed.
    mutating func forget(_ holder: LeaseEngine.HolderID) {
        self.dropUnfetched(of: holder)
        self.holders[holder] = nil
        if let place = self.places.removeValue(forKey: holder), self.byPlace[place] == holder {
            self.byPlace[place] = nil
        }
    }

    /// Closes what a holder has not fetched, before it is looked whether it can reach the file.
    mutating func dropUnfetched(of holder: LeaseEngine.HolderID) {
        for (_, description) in self.holders[holder]?.byMode ?? [:] { self.tokens.remove(description.token) }
    }

    /// The lock bytes that prove a holder's reach, and who fetched its descriptors.
    func proof(of holder: LeaseEngine.HolderID) -> (locks: [UInt64], peers: [PeerCredentials]) {
        let descriptions = self.holders[holder]?.byMode.values.sorted { $0.lock < $1.lock } ?? []
        return (descriptions.map(\.lock), descriptions.compactMap(\.peer))
    }
}
