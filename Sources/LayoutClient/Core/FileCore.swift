import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles
import MappedWindows
import NIOCore

/// One file of the client, as the event loop sees it: carries out what its ``LayoutHolder/LayoutHolder`` decides.
///
/// Events are handled one after the other; the actions of one are carried out before the next is looked at.
final class FileCore {
    /// Refers back to this file until the client is closed.
    let client: ClientCore
    /// What the server calls it, for as long as it remembers.
    var handle: FileHandle
    var resolution = Resolution.resolved
    /// How often the path was looked up again.
    var lookups = 0
    /// The inode number.
    let fileNumber: UInt64
    /// The path that it was first opened by, for people.
    let path: String
    let blockSize: UInt64

    var holder: LayoutHolder
    var windows: [LayoutHolder.WindowID: WindowCore] = [:]
    /// The descriptors that layouts are held with, each an open file description of its own.
    var descriptors: [IOMode: SharedDescriptor] = [:]
    /// Grants in the order of their replies; each is told to the holder when those before it have been.
    var grants: [PendingGrant] = []
    /// LAYOUTGETs without a reply.
    var getsInFlight = 0
    /// LAYOUTRETURNs without a reply.
    var returnsInFlight = 0
    /// Own changes that wait for leave to be sent.
    var changes: [LayoutHolder.OwnChangeID: OwnChange] = [:]
    /// What was written through the server since the last flush.
    var unstableWrites: UnstableWrites?
    /// How often access to a window for storing has ended: what was stored before only the kernel can flush as long as
    /// the window is away.
    var endings: UInt64 = 0
    /// How many of those the kernel has flushed the stores of.
    var endingsFlushed: UInt64 = 0
    /// The last ending of a window that is gone.
    var lastEndingOfRemoved: UInt64 = 0
    /// Who waits for all layouts to be returned.
    var returnWaiters: [() -> Void] = []
    /// The latest stateid seen, for giving everything back.
    var latestStateID = StateID.none
    /// The size as the latest grant told it; before the first, as OPEN did.
    var grantedSize: UInt64
    /// The stateid of the grant that told it.
    var sizeStateID = StateID.none
    /// ``LayoutFile`` values that refer to it.
    var openCount = 0
    /// When it was last used: what was not used for longest goes back first.
    var lastUsed = Host.now
    /// Layouts of the file cannot be had, as of then.
    var unavailable: (failure: Failure, since: Instant)?
    /// Everything held is being given back, because this side and the server may not agree about it.
    var reset = LayoutHolder.Reset()
    /// Reclaims are under way, and the client counts on hearing of their end.
    var awaitsReclaims = false

    /// What the server promised with the latest grant.
    var capabilities = LayoutCapabilities()
    private var events: [LayoutHolder.Event] = []
    private var isHandling = false
    private var lastID: UInt64 = 0
    /// Answers to recalls by the event being handled.
    var recallAnswer: LayoutStatus?

    /// A mapping change that this client asks for.
    struct OwnChange {
        var intent: LayoutHolder.ChangeIntent
        var timer: Scheduled<Void>
        var completion: (Result<LayoutHolder.OwnChangeID, Failure>) -> Void
    }

    init(_ client: ClientCore, _ object: ObjectResult, path: String) {
        self.client = client
        self.handle = object.handle
        self.path = path
        self.fileNumber = object.attributes.fileNumber
        let blockSize = UInt64(object.attributes.blockSize)
        self.blockSize = blockSize > 0 && blockSize & (blockSize - 1) == 0 ? blockSize : 4096
        self.holder = LayoutHolder(blockSize: self.blockSize)
        self.grantedSize = object.attributes.size
        if !client.hasLease { self.handle(.leaseLost) }
    }

    func nextID() -> UInt64 {
        self.lastID += 1
        return self.lastID
    }

    /// Whether nothing refers to the file any more, so that it can be forgotten.
    var isForgettable: Bool {
        self.openCount == 0 && self.windows.isEmpty && self.holder.isIdle && self.getsInFlight == 0
            && self.returnsInFlight == 0 && self.changes.isEmpty && self.grants.isEmpty && !self.reset.isUnderWay
    }

    /// Layouts in the sense of R6.3-19.
    var layoutCount: Int { self.holder.heldRanges.count }

    /// Tells the holder, and does what it says.
    func handle(_ event: LayoutHolder.Event) {
        self.events.append(event)
        guard !self.isHandling else { return }
        self.isHandling = true
        while !self.events.isEmpty {
            for action in self.holder.handle(self.events.removeFirst()) { self.perform(action) }
        }
        self.isHandling = false
        self.dropUnneededDescriptors()
        self.tellReturnWaiters()
        self.client.fileChanged(self)
    }

    private func perform(_ action: LayoutHolder.Action) {
        switch action {
        case .sendGet(let id, let range, let ioMode, let stateID, let knownEpoch):
            self.sendGet(id, range, ioMode, stateID, knownEpoch)
        case .sendReclaim(let id, let range, let ioMode, let stateID, let knownEpoch):
            self.sendReclaim(id, range, ioMode, stateID, knownEpoch)
        case .map(let id, let generation, let segments, let isCurrent):
            self.map(id, generation, segments, isCurrent: isCurrent)
        case .revoke(let id, let isForced):
            self.revoke(id, isForced: isForced)
        case .fail(let id, let status):
            self.fail(id, status)
        case .answerRecall(_, let status):
            self.recallAnswer = status
        case .sendReturn(let id, let range, let ioMode, let stateID):
            self.sendReturn(id, range, ioMode, stateID)
        case .permitChange(let id):
            self.permitChange(id)
        case .retryLater(let id, let milliseconds):
            // The holder's pauses start at a millisecond; over a network that would be a poll.
            self.client.link.after(.milliseconds(Int64(clamping: max(milliseconds, 2)))) { [weak self] _ in
                self?.handle(.retryDue(id))
            }
        case .dropDescriptors:
            self.drop(Array(self.descriptors.keys))
        }
    }

    // MARK: Descriptors

    /// Closes descriptors, and unmaps what windows without access still map through them (R7.1-7).
    ///
    /// The server takes a description that lives on as a holder that can still reach the file.
    func drop(_ ioModes: [IOMode]) {
        var dropped: [SharedDescriptor] = []
        for ioMode in ioModes {
            if let descriptor = self.descriptors.removeValue(forKey: ioMode) { dropped.append(descriptor) }
        }
        for window in self.windows.values { self.detachIfOutdated(window) }
        guard !dropped.isEmpty else { return }
        // The last references end there, in order with the mappings that use them; closing may wait.
        self.client.mapper.map { [dropped] in withExtendedLifetime(dropped) {} }
    }

    /// Unmaps what a window without access shows, if the descriptor that it came from is not in use any more.
    func detachIfOutdated(_ window: WindowCore) {
        guard !window.isOpen, !window.isDraining, let source = window.source,
            !self.descriptors.values.contains(where: { $0 === source })
        else { return }
        window.source = nil
        guard let memory = window.window else { return }
        self.client.mapper.map { memory.detach() }
    }

    /// The read-write descriptor goes with the last read-write layout, both with the last of all.
    private func dropUnneededDescriptors() {
        guard self.descriptors[.readWrite] != nil else { return }
        let isHeld = self.holder.heldRanges.contains { $0.ioMode == .readWrite }
        if !isHeld, !self.grants.contains(where: { $0.layout.ioMode == .readWrite }) { self.drop([.readWrite]) }
    }
}
