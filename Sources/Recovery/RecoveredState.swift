import LayoutCore

/// What the lives of a server have left behind.
///
/// Each list is in the order of its key, so that equal states are equal values: numbers by size, session IDs and file
/// handles by their bytes.
package struct RecoveredState: Hashable, Sendable {
    /// The latest life, or `nil` in a new store.
    package private(set) var life: StoredLife?
    /// By ID.
    package private(set) var clients: [StoredClient] = []
    /// By ID.
    package private(set) var sessions: [StoredSession] = []
    /// By session and slot.
    package private(set) var replies: [StoredReply] = []
    /// By handle.
    package private(set) var files: [StoredFile] = []
    /// By number.
    package private(set) var holders: [StoredHolder] = []
    /// By client and file.
    package private(set) var revocations: [StoredRevocation] = []
    /// By number.
    package private(set) var intents: [StoredIntent] = []
    /// By file.
    package private(set) var blocked: [StoredBlock] = []

    /// Makes the state of a new store.
    package init() {}

    /// Makes the state that records lead to, starting from nothing.
    package init(_ records: some Sequence<RecoveryRecord>) {
        for record in records { self.apply(record) }
    }

    /// Changes the state by one record: the one meaning of each of them.
    package mutating func apply(_ record: RecoveryRecord) {
        switch record {
        case .life(let life): self.life = life
        case .client(let client): self.clients.put(client)
        case .clientGone(let client): self.drop(client)
        case .session(let session): self.sessions.put(session)
        case .sessionGone(let session): self.drop(session)
        case .reply(let reply):
            if self.sessions.place(of: OrderedBytes(reply.session)).isFound { self.replies.put(reply) }
        case .file(let file): self.files.put(file)
        case .fileGone(let file): self.files.drop(OrderedBytes(file))
        case .holder(let holder): self.holders.put(holder)
        case .holderGone(let number): self.holders.drop(number)
        case .revocation(let revocation): self.revocations.put(revocation)
        case .revocationsSeen(let client): self.revocations.removeAll { $0.client == client }
        case .intent(let intent): self.intents.put(intent)
        case .intentEnded(let number): self.intents.drop(number)
        case .blocked(let file, let reason): self.blocked.put(StoredBlock(file: file, reason: reason))
        case .unblocked(let file): self.blocked.drop(OrderedBytes(file))
        }
    }

    private mutating func drop(_ client: ClientID) {
        self.clients.drop(client)
        for session in self.sessions.filter({ $0.client == client }) { self.drop(session.id) }
        self.holders.removeAll { $0.client == client }
        self.revocations.removeAll { $0.client == client }
    }

    private mutating func drop(_ session: SessionID) {
        self.sessions.drop(OrderedBytes(session))
        self.replies.removeAll { $0.session == session }
    }
}

/// What is found by a key, one for each.
private protocol Keyed {
    associatedtype Key: Comparable
    var key: Key { get }
}

extension Array where Element: Keyed {
    /// Where the element with this key is, or would be.
    fileprivate func place(of key: Element.Key) -> (index: Int, isFound: Bool) {
        var (lower, upper) = (0, self.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if self[middle].key < key { lower = middle + 1 } else { upper = middle }
        }
        return (lower, lower < self.count && self[lower].key == key)
    }

    /// Inserts an element, or replaces the one with its key.
    fileprivate mutating func put(_ element: Element) {
        let (index, isFound) = self.place(of: element.key)
        if isFound { self[index] = element } else { self.insert(element, at: index) }
    }

    /// Removes the element with this key, if there is one.
    fileprivate mutating func drop(_ key: Element.Key) {
        let (index, isFound) = self.place(of: key)
        if isFound { self.remove(at: index) }
    }
}

/// Up to 32 bytes of a wire value and a number, ordered byte by byte.
private struct OrderedBytes: Comparable {
    private let words: (UInt64, UInt64, UInt64, UInt64, UInt64)

    init(_ session: SessionID, slot: UInt32 = 0) {
        let bytes = session.rawValue
        // The first byte of a value is in the lowest bits of its first half.
        self.words = (bytes.low.byteSwapped, bytes.high.byteSwapped, 0, 0, UInt64(slot))
    }

    init(_ file: FileHandle) { self.init(ClientID(0), file) }

    init(_ client: ClientID, _ file: FileHandle) {
        self.words = (
            client.rawValue, file.low.low.byteSwapped, file.low.high.byteSwapped, file.high.low.byteSwapped,
            file.high.high.byteSwapped
        )
    }

    static func == (left: OrderedBytes, right: OrderedBytes) -> Bool { left.words == right.words }
    static func < (left: OrderedBytes, right: OrderedBytes) -> Bool { left.words < right.words }
}

extension StoredClient: Keyed { fileprivate var key: ClientID { self.id } }
extension StoredSession: Keyed { fileprivate var key: OrderedBytes { OrderedBytes(self.id) } }
extension StoredReply: Keyed { fileprivate var key: OrderedBytes { OrderedBytes(self.session, slot: self.slot) } }
extension StoredFile: Keyed { fileprivate var key: OrderedBytes { OrderedBytes(self.handle) } }
extension StoredHolder: Keyed { fileprivate var key: UInt64 { self.number } }
extension StoredRevocation: Keyed { fileprivate var key: OrderedBytes { OrderedBytes(self.client, self.file) } }
extension StoredIntent: Keyed { fileprivate var key: UInt64 { self.number } }
extension StoredBlock: Keyed { fileprivate var key: OrderedBytes { OrderedBytes(self.file) } }
