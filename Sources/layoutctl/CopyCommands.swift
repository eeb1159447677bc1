import ArgumentParser
import Glibc
import LayoutClient

/// The command `layoutctl get`.
struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Copies a file of the server to a local one.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The file on the server.") var remote: String
    @Argument(help: "The local file; it is replaced.") var local: String

    func run() async throws {
        try await self.options.withClient { client in
            let file = try await client.open(self.remote)
            let size = try await file.size
            let output = try LocalFile(self.local, forWriting: true)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Copying.chunk, alignment: 4096)
            defer { unsafe buffer.deallocate() }
            var done: UInt64 = 0
            while true {
                let count = unsafe try await file.read(into: buffer, at: done)
                if count == 0 { break }
                try unsafe output.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                done += UInt64(count)
                Copying.show(done, of: size)
            }
            Terminal.clearStatus()
            try output.finish()
            await file.close()
            Copying.report(self.options, done, client)
        }
    }
}

/// The command `layoutctl put`.
struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Copies a local file to the server.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The local file.") var local: String
    @Argument(help: "The file on the server; it is replaced.") var remote: String

    func run() async throws {
        try await self.options.withClient { client in
            let input = try LocalFile(self.local, forWriting: false)
            let size = try input.size()
            let file = try await client.open(
                self.remote,
                .readWrite,
                options: [.create, .truncate],
                patience: self.options.patience
            )
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Copying.chunk, alignment: 4096)
            defer { unsafe buffer.deallocate() }
            // Its full size first: then the bytes go to a mapping instead of through the server.
            if size > 0 { try await file.truncate(to: size, patience: self.options.patience) }
            var done: UInt64 = 0
            while true {
                let count = unsafe try input.read(buffer)
                if count == 0 { break }
                unsafe try await file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: done)
                done += UInt64(count)
                Copying.show(done, of: size)
            }
            Terminal.clearStatus()
            // The local file may have become shorter meanwhile.
            if done < size { try await file.truncate(to: done, patience: self.options.patience) }
            try await file.flush()
            await file.close()
            Copying.report(self.options, done, client)
        }
    }
}

private enum Copying {
    static var chunk: Int { 4 << 20 }

    static func show(_ done: UInt64, of size: UInt64) {
        let percent = size == 0 ? 100 : min(100, done * 100 / size)
        Terminal.status("\(ByteSize.rounded(done)) of \(ByteSize.rounded(size)) (\(percent) %)")
    }

    static func report(_ options: GlobalOptions, _ bytes: UInt64, _ client: LayoutClient) {
        let statistics = client.statistics
        let direct = statistics.readsDirect + statistics.writesDirect
        let indirect = statistics.readsThroughServer + statistics.writesThroughServer
        guard options.json else { return }
        Terminal.print(
            JSONValue.object([
                ("bytes", .number(bytes)), ("direct", .number(direct)), ("throughServer", .number(indirect)),
            ]).description
        )
    }
}

/// A local file, or a pipe.
private final class LocalFile {
    private let path: String
    private let descriptor: Int32

    init(_ path: String, forWriting: Bool) throws(LocalError) {
        self.path = path
        let flags = forWriting ? O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDONLY | O_CLOEXEC
        self.descriptor = unsafe open(path, flags, 0o666)
        guard self.descriptor >= 0 else { throw LocalError.system("open '\(path)'") }
    }

    deinit { if self.descriptor >= 0 { close(self.descriptor) } }

    func size() throws(LocalError) -> UInt64 {
        var facts = Glibc.stat()
        guard unsafe fstat(self.descriptor, &facts) == 0 else { throw LocalError.system("look at '\(self.path)'") }
        guard facts.st_mode & S_IFMT == S_IFREG else { return 0 }
        return UInt64(max(facts.st_size, 0))
    }

    func read(_ buffer: UnsafeMutableRawBufferPointer) throws(LocalError) -> Int {
        while true {
            let count = unsafe Glibc.read(self.descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw LocalError.system("read '\(self.path)'") }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(LocalError) {
        var done = 0
        while done < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = unsafe Glibc.write(self.descriptor, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw LocalError.system("write '\(self.path)'; free some space there") }
            done += count
        }
    }

    func finish() throws(LocalError) {
        // Pipes and the like have nothing to bring to storage.
        guard fsync(self.descriptor) == 0 || errno == EINVAL || errno == EROFS else {
            throw LocalError.system("bring '\(self.path)' to storage")
        }
    }
}
