import LayoutCore
import MappingGuard
import Testing

/// A program that has never heard of the server, what it does to a file, and how the guard is to see it.
struct Mutator: Sendable, CustomTestStringConvertible {
    let program: String
    /// `FILE` and `OTHER` stand for the guarded file and for another one.
    let arguments: [String]
    let changes: [GuardedChange]
    /// What it makes of the file's bytes; `nil` if that is not compared.
    var effect: (@Sendable ([UInt8]) -> [UInt8])?
    /// Whether the kernel tells the result.
    var hasResult = true
    /// Whether it does this on XFS only: it shares blocks, or says so.
    var needsXFS = false

    var testDescription: String { ([self.program] + self.arguments).joined(separator: " ") }

    init(
        _ program: String,
        _ arguments: [String],
        _ changes: GuardedChange...,
        effect: (@Sendable ([UInt8]) -> [UInt8])? = nil
    ) {
        self.program = program
        self.arguments = arguments
        self.changes = changes
        self.effect = effect
    }

    /// The arguments with the paths put in.
    func words(file: String, other: String) -> [String] {
        self.arguments.map { word in
            Self.replacing("OTHER", by: other, in: Self.replacing("FILE", by: file, in: word))
        }
    }

    private static func replacing(_ name: String, by path: String, in word: String) -> String {
        guard let range = word.firstRange(of: name) else { return word }
        return word[..<range.lowerBound] + path + word[range.upperBound...]
    }

    private static func range(_ offset: UInt64, _ length: UInt64) -> ByteRange {
        ByteRange(offset: offset, length: length) ?? .all
    }

    private static func zeros(_ range: Range<Int>) -> @Sendable ([UInt8]) -> [UInt8] {
        { $0[..<range.lowerBound] + [UInt8](repeating: 0, count: range.count) + $0[range.upperBound...] }
    }

    private static let inserted: @Sendable ([UInt8]) -> [UInt8] = { bytes in
        Array(bytes[..<8192]) + [UInt8](repeating: 0, count: 4096) + Array(bytes[8192...])
    }
    private static let collapsed: @Sendable ([UInt8]) -> [UInt8] = { Array($0[..<8192]) + Array($0[12288...]) }
    private static let unchanged: @Sendable ([UInt8]) -> [UInt8] = { $0 }
    private static func cut(_ size: Int) -> @Sendable ([UInt8]) -> [UInt8] { { Array($0[..<size]) } }

    private static let block = Self.range(8192, 4096)
    private static let blockArguments = ["-o", "8192", "-l", "4096", "FILE"]

    static let all: [Mutator] = [
        Mutator("fallocate", blockArguments, .init(.allocate, block), effect: unchanged),
        Mutator("fallocate", ["-n"] + blockArguments, .init(.allocate, block), effect: unchanged),
        Mutator("fallocate", ["-p"] + blockArguments, .init(.punchHole, block), effect: zeros(8192..<12288)),
        Mutator("fallocate", ["-z"] + blockArguments, .init(.zeroRange, block), effect: zeros(8192..<12288)),
        Mutator("fallocate", ["-c"] + blockArguments, .init(.collapseRange, block), effect: collapsed),
        Mutator("fallocate", ["-i"] + blockArguments, .init(.insertRange, block), effect: inserted),
        Mutator(
            "truncate",
            ["-s", "900000", "FILE"],
            .init(.truncate, ByteRange(from: 900_000)),
            effect: cut(900_000)
        ),
        Mutator("sh", ["-c", ": > FILE"], .init(.truncate, .all), effect: cut(0)),
        Mutator("sh", ["-c", "echo x >> FILE"], .init(.write, ByteRange(from: 1 << 20))) { $0 + [0x78, 0x0a] },
        Mutator(
            "dd",
            ["if=/dev/zero", "of=FILE", "bs=4096", "seek=2", "count=1", "conv=notrunc"],
            .init(.write, block),
            effect: zeros(8192..<12288)
        ),
        xfsIO("finsert 8192 4096", .init(.insertRange, block), effect: inserted),
        xfsIO("fcollapse 8192 4096", .init(.collapseRange, block), effect: collapsed),
        xfsIO("fpunch 8192 4096", .init(.punchHole, block), effect: zeros(8192..<12288)),
        xfsIO("fzero 8192 4096", .init(.zeroRange, block), effect: zeros(8192..<12288)),
        xfsIO("resvsp 1048576 65536", .init(.allocate, range(1 << 20, 65536)), effect: unchanged),
        xfsOnly(xfsIO("unresvsp 8192 4096", .init(.punchHole, block), effect: zeros(8192..<12288))),
        xfsIO("truncate 5000", .init(.truncate, ByteRange(from: 5000)), effect: cut(5000)),
        xfsIO("pwrite -q -S 0 8192 4096", .init(.write, block), effect: zeros(8192..<12288)),
        xfsOnly(xfsIO("reflink OTHER 0 8192 16384", .init(.cloneTo, range(8192, 16384)))),
        xfsOnly(
            Mutator(
                "cp",
                ["--reflink=always", "OTHER", "FILE"],
                .init(.truncate, .all),
                .init(.cloneTo, .all)
            )
        ),
        xfsOnly(Mutator("cp", ["--reflink=always", "FILE", "OTHER"], .init(.cloneFrom, .all), effect: unchanged)),
        python("f=os.open('FILE',os.O_RDWR); os.ftruncate(f,2097152)", .init(.truncate, ByteRange(from: 2 << 20))) {
            $0 + [UInt8](repeating: 0, count: 1 << 20)
        },
        python("os.truncate('FILE',4096)", .init(.truncate, ByteRange(from: 4096)), effect: cut(4096)),
        python(
            "f=os.open('FILE',os.O_RDWR); os.pwrite(f,bytes(100),5000)",
            .init(.write, range(5000, 100)),
            effect: zeros(5000..<5100)
        ),
        python(
            "f=os.open('FILE',os.O_RDWR); os.posix_fallocate(f,0,4096)",
            .init(.allocate, range(0, 4096)),
            effect: unchanged
        ),
        python(
            "m=mmap.mmap(os.open('FILE',os.O_RDWR),0); m.madvise(9,8192,4096)",
            .init(.punchHole, block),
            effect: zeros(8192..<12288)
        ),
        ring("fallocate", "3", effect: zeros(8192..<12288)),
        ring("fallocate", "32", effect: inserted),
        Mutator("guard-mutator", ["open", "FILE", "truncate"], .init(.truncate, .all), effect: cut(0)),
        // One run of 16 empty blocks.
        Mutator("compactor", ["FILE"], .init(.collapseRange, range(524_288, 65536))) {
            Array($0[..<524_288] + $0[589_824...])
        },
    ]

    /// Programs that only read, in ways that the guard can tell.
    static let readers: [Mutator] = [
        Mutator("cat", ["FILE"]),
        Mutator("dd", ["if=FILE", "of=/dev/null", "bs=65536", "iflag=direct"]),
        Mutator("cp", ["--reflink=never", "--sparse=never", "FILE", "OTHER"]),
        Mutator("xfs_io", ["-r", "-c", "pread -q 0 65536", "FILE"]),
        Mutator("cmp", ["FILE", "FILE"]),
        python("m=mmap.mmap(os.open('FILE',os.O_RDONLY),0,prot=mmap.PROT_READ); sum(m[::4096])"),
        python("os.sendfile(os.open('/dev/null',os.O_WRONLY),os.open('FILE',os.O_RDONLY),0,65536)"),
        Mutator("guard-mutator", ["open", "FILE"]),
        Mutator("guard-mutator", ["ring", "read", "0", "4096", "FILE"]),
        Mutator("stat", ["FILE"]),
    ]

    private static func xfsIO(
        _ command: String,
        _ change: GuardedChange,
        effect: (@Sendable ([UInt8]) -> [UInt8])? = nil
    ) -> Mutator {
        Mutator("xfs_io", ["-c", command, "FILE"], change, effect: effect)
    }

    private static func python(
        _ statements: String,
        _ change: GuardedChange,
        effect: @escaping @Sendable ([UInt8]) -> [UInt8]
    ) -> Mutator {
        Mutator("python3", ["-c", "import os,mmap; " + statements], change, effect: effect)
    }

    private static func python(_ statements: String) -> Mutator {
        Mutator("python3", ["-c", "import os,mmap; " + statements])
    }

    private static func ring(
        _ words: String...,
        effect: @escaping @Sendable ([UInt8]) -> [UInt8]
    ) -> Mutator {
        var made = Mutator(
            "guard-mutator",
            ["ring"] + words + ["8192", "4096", "FILE"],
            GuardedChange(.unknown, ByteRange(from: 8192), isCertain: false),
            effect: effect
        )
        made.hasResult = false
        return made
    }

    private static func xfsOnly(_ mutator: Mutator) -> Mutator {
        var made = mutator
        made.needsXFS = true
        return made
    }
}
