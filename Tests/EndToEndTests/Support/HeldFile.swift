import LayoutCore
import LayoutXDR
import TestSupport

/// A server, a file whose holder stores into it and never gives it back, and a client that wants to shift its bytes.
struct HeldFile {
    static var pages: Int { 32 }
    /// The page before which the change inserts another one.
    private static var place: Int { 8 }
    static var recallTimeout: Duration { .milliseconds(300) }

    let server: ServerProcess
    let file: StampedFile
    let holder: RawClient
    let changer: RawClient
    let handle: FileHandle
    let grant: LayoutGetResult
    let storing: StoringProcess

    /// Starts it all: a server with `--fence` and further options, and a holder with forked children, `processes` in
    /// all.
    init(on fileSystem: TestFileSystem, fence: String, _ options: [String] = [], processes: Int = 1) throws {
        self.server = try ServerProcess(on: fileSystem, ["--fence", fence, "--recall-timeout", "300ms"] + options)
        self.file = try StampedFile(self.server.directory.file("data"), pages: Self.pages)
        self.holder = try RawClient(self.server, "holder")
        self.changer = try RawClient(self.server, "changer")
        self.handle = try self.holder.open("data")
        self.grant = try self.holder.layoutGet(self.handle)
        self.storing = try StoringProcess(self.grant, of: self.server, processes: processes)
    }

    /// Ends the holder, then the server, without a wait for either.
    func end() {
        self.storing.end()
        self.server.kill()
    }

    private var request: Request {
        RawClient.change(
            .insertRange,
            self.handle,
            UInt64(Self.place) * StampedFile.pageSize,
            StampedFile.pageSize
        )
    }

    /// Sends the change, with all the patience that there is.
    func sendInsert() throws -> RawClient.Pending { try self.changer.send(self.request) }

    /// Makes the change.
    @discardableResult
    func insert(patience: Duration = .seconds(20)) throws -> ChangeResult {
        let place = UInt64(Self.place) * StampedFile.pageSize
        return try self.changer.change(.insertRange, self.handle, place, StampedFile.pageSize, patience: patience)
    }

    /// Makes the change, and returns why it was not made.
    func refusal(patience: Duration) throws -> LayoutStatus {
        do {
            try self.insert(patience: patience)
        } catch let failure as Failure {
            return failure.status
        }
        return .ok
    }

    /// The names of the pages before the change, and after it.
    static let before = (1...pages).map { UInt64($0) }
    static let after = Array(before[..<place]) + [0] + Array(before[place...])

    /// How often the server has tried to fence the holder, as an operator sees it.
    func fenceAttempts() throws -> UInt32 {
        try self.changer.recallStates().first { $0.client == self.holder.id }?.fenceAttempts ?? 0
    }

    /// Waits until the holder's processes have stored again into every page, and so have those of their stamps reached
    /// the file that were held back.
    func waitForStores(of processes: Range<Int>) throws {
        let counts = try self.file.content().counts
        try waitUntil("the holder stores again") {
            let now = try self.file.content().counts
            return processes.allSatisfy { now[$0] > counts[$0] + 2 }
        }
    }
}
