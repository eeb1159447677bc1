import LayoutCore
import LeaseEngine
import LinuxFiles
import Recovery

/// The open file descriptions that holders of layouts were given: one per holder and iomode.
///
/// Each has an OFD lock on a byte of its own, by which its holder's reach is proven (specification R7.1-8). The numbers
/// of the bytes are never used again in a life of the server nor in 2^21 later ones, and unlikely to be those of a
/// server whose store was lost. Bound to its event loop.
struct HolderDescriptions {
    /// One description.
    struct Description {
        /// The number of its lock byte.
        let lock: UInt64
        /// `.none` for one that an earlier life passed.
        let token: DescriptorToken
        /// Who fetched it; `nil` as long as nobody has.
        var peer: HolderProcess?
        /// The holder gave layouts back since: perhaps all of this iomode, and then it has closed the descriptor.
        var mayBeClosed = false
    }

    private struct Holder {
        var byMode: [IOMode: Description] = [:]
        /// Lock bytes of descriptions that are going to be its.
        var announced: Set<UInt64> = []
        /// Who fetched the descriptions that earlier lives passed.
        var recoveredPeers: [HolderProcess] = []

        var locks: Set<UInt64> { self.announced.union(self.byMode.values.map(\.lock)) }

        /// Who fetched its descriptions, by their lock bytes.
        var peers: [HolderProcess] {
            let (locks, own) = (self.locks, self.byMode.values.compactMap(\.peer))
            return (self.recoveredPeers.filter { locks.contains($0.lock) } + own).sorted { $0.lock < $1.lock }
        }
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

    /// Makes an empty table; `life` tells the numbers of this life from others: its low 21 bits count.
    init(life: UInt64, tokens: TokenTable) {
        self.lockBase = (life & 0x1f_ffff) << 40
        self.tokens = tokens
    }

    /// The range of this life's numbers.
    var ownLocks: ClosedRange<UInt64> { self.lockBase...(self.lockBase | 0xff_ffff_ffff) }

    /// A number for the lock byte of a new description; it says what the description is for.
    mutating func nextLock(_ ioMode: IOMode) -> UInt64 {
        self.lastLock += 1
        return self.lockBase | self.lastLock << 1 | (ioMode == .readWrite ? 1 : 0)
    }

    /// Takes over a holder of an earlier life, which has its descriptors.
    mutating func recover(_ stored: StoredHolder, _ file: FileID) {
        let holder = LeaseEngine.HolderID(stored.number)
        self.remember(holder, stored.client, file)
        self.holders[holder, default: Holder()].recoveredPeers = stored.peers.map { HolderProcess($0) }
        for lock in stored.locks {
            let ioMode: IOMode = lock & 1 == 1 ? .readWrite : .read
            // A later description of the iomode has taken the place of an earlier one, which its holder has closed.
            if let other = self.holders[holder]?.byMode[ioMode]?.lock {
                self.holders[holder]?.announced.insert(min(other, lock))
                guard other < lock else { continue }
            }
            self.holders[holder, default: Holder()].byMode[ioMode] = Description(lock: lock, token: .none)
        }
    }

    /// A description is going to be a holder's: from now on its lock counts.
    mutating func announce(_ lock: UInt64, to holder: LeaseEngine.HolderID) {
        self.holders[holder, default: Holder()].announced.insert(lock)
    }

    /// The lock bytes of a holder's descriptions, in order.
    func locks(of holder: LeaseEngine.HolderID) -> [UInt64] {
        self.holders[holder]?.locks.sorted() ?? []
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
        self.holders[holder]?.announced.remove(lock)
        return true
    }

    /// A token was shown.
    ///
    /// A descriptor that could not be sent is closed: the next grant brings another one.
    mutating func redeemed(_ redemption: TokenTable.Redemption) {
        for (ioMode, description) in self.holders[redemption.holder]?.byMode ?? [:]
        where description.lock == redemption.lock {
            if redemption.wasSent {
                let peer = HolderProcess(redemption.peer, lock: redemption.lock)
                self.holders[redemption.holder]?.byMode[ioMode]?.peer = peer
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
    func proof(of holder: LeaseEngine.HolderID) -> (locks: [UInt64], peers: [HolderProcess]) {
        (self.locks(of: holder), self.holders[holder]?.peers ?? [])
    }

    /// Who fetched a holder's descriptors, as a later life can find them again.
    func storedPeers(of holder: LeaseEngine.HolderID) -> [StoredPeer] {
        self.holders[holder]?.peers.compactMap(\.stored) ?? []
    }
}
