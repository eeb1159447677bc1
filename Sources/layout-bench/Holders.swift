import ArgumentParser
import CBenchPeer
import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles

/// `layout-bench holders`: clients that hold layouts, map them, and give them back; started by the benchmark itself.
///
/// Each line of standard input says what to hold from now on; `held` is printed when all is. What is recalled is given
/// back at once, and held again only when another line says so.
struct Holders: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holders",
        abstract: "Holds layouts, and gives back what is recalled.",
        shouldDisplay: false
    )

    @Option(help: "The server's Unix socket.")
    var server: String

    @Option(help: "How many clients.")
    var count: Int

    /// A line of standard input: `FILE FIRST OFFSET LENGTH STRIDE COUNT`.
    ///
    /// The first `COUNT` clients hold `LENGTH` bytes of `FILE`, the client at `index` from `OFFSET` plus
    /// (`FIRST` + index) * `STRIDE`.
    struct Order {
        let file: String
        let first: Int
        let offset: UInt64
        let length: UInt64
        let stride: UInt64
        let count: Int

        init?(_ line: String) {
            let words = line.split(separator: " ")
            guard words.count == 6, let first = Int(words[1]), let offset = UInt64(words[2]),
                let length = UInt64(words[3]), let stride = UInt64(words[4]), let count = Int(words[5])
            else { return nil }
            (self.file, self.first, self.offset) = (String(words[0]), first, offset)
            (self.length, self.stride, self.count) = (length, stride, count)
        }

        init(file: String, first: Int, offset: UInt64, length: UInt64, stride: UInt64, count: Int) {
            (self.file, self.first, self.offset) = (file, first, offset)
            (self.length, self.stride, self.count) = (length, stride, count)
        }

        var line: String { "\(self.file) \(self.first) \(self.offset) \(self.length) \(self.stride) \(self.count)" }
    }

    func run() throws {
        guard bench_raise_file_limit() > UInt64(2 * self.count + 64) else {
            throw BenchError("\(self.count) clients need more open files: raise the limit (ulimit -Hn)")
        }
        let clients = try (0..<self.count).map { try HoldingClient(self.server, name: "holder \($0)") }
        print("ready")
        fflush(nil)
        var pollers = clients.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        pollers.append(pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0))
        while true {
            guard unsafe poll(&pollers, nfds_t(pollers.count), -1) > 0 else { continue }
            for index in clients.indices where pollers[index].revents != 0 { try clients[index].takeWaiting() }
            guard pollers[clients.count].revents != 0 else { continue }
            guard let line = readLine() else { return }
            guard let order = Order(line) else { throw BenchError("not an order to hold something: '\(line)'") }
            for (index, client) in clients.prefix(order.count).enumerated() {
                let start = order.offset + UInt64(order.first + index) * order.stride
                try client.hold(order.file, start..<start + order.length)
            }
            print("held")
            fflush(nil)
        }
    }
}

/// A client that maps what it holds and touches every page of it.
final class HoldingClient {
    private struct Held {
        let mapping: TouchedMapping
        /// Closed last: with it falls the lock that says that its holder can reach the file.
        let descriptor: SharedDescriptor
    }

    private let session: NeutralSession
    private let descriptorSocketPath: String
    private var handles: [String: FileHandle] = [:]
    private var held: [FileHandle: Held] = [:]

    /// Connects to the server at a Unix socket.
    init(_ server: String, name: String) throws {
        self.session = try NeutralSession(.unix(server), name: name)
        self.descriptorSocketPath = server + ".fd"
        self.session.caller.recalled = { [unowned self] recall in self.giveBack(recall) }
    }

    var descriptor: CInt { self.session.caller.socket.descriptor }

    /// Takes what the server has sent.
    func takeWaiting() throws { try self.session.caller.takeWaiting() }

    /// Gets a layout of a file, unless it holds one, and touches all of it.
    func hold(_ name: String, _ range: Range<UInt64>) throws {
        let handle: FileHandle
        if let known = self.handles[name] {
            handle = known
        } else {
            handle = try self.session.open(name)
            self.handles[name] = handle
        }
        guard self.held[handle] == nil else { return }
        var request = LayoutGetArguments(reading: range, of: handle)
        // The change that took the last one may not be over.
        request.waitMilliseconds = 10_000
        let grant = try self.session.layoutGet(request)
        let descriptor = try NeutralSession.redeem(grant, self.descriptorSocketPath)
        self.held[handle] = Held(mapping: try TouchedMapping(descriptor.number, range), descriptor: descriptor)
    }

    private func giveBack(_ recall: LayoutRecall) -> LayoutCall? {
        guard self.held.removeValue(forKey: recall.handle) != nil else { return nil }
        let arguments = LayoutReturnArguments(
            type: .file,
            handle: recall.handle,
            stateID: recall.stateID,
            ioMode: .any,
            offset: 0,
            length: .max,
            isDowngrade: false,
            ioError: 0
        )
        return self.session.call(.layoutReturn(arguments), slot: 1)
    }
}

/// A part of a file in memory, to be read, every page of it in the tables.
private final class TouchedMapping {
    private let address: UInt
    private let count: Int

    init(_ file: CInt, _ range: Range<UInt64>) throws {
        self.count = Int(range.upperBound - range.lowerBound)
        let flags = MAP_SHARED | CInt(MAP_POPULATE)
        let base = unsafe mmap(nil, self.count, PROT_READ, flags, file, off_t(range.lowerBound))
        guard let base = unsafe base, unsafe base != MAP_FAILED else {
            throw BenchError("map \(self.count) bytes", errno: errno, "raise the limit of memory")
        }
        self.address = UInt(bitPattern: base)
        bench_consume(unsafe bench_load_sequential(base, self.count / 8, 1))
    }

    deinit { unsafe munmap(UnsafeMutableRawPointer(bitPattern: self.address), self.count) }
}
