import Glibc
import Synchronization
import TestSupport

/// The library for C as a stranger has it: installed below a prefix, found by pkg-config, with a compiler that is not
/// Swift's.
struct Installation: Sendable {
    let directory: TestDirectory

    private static let made = Mutex<Installation?>(nil)

    /// The one of this process, made by the installation script at first use.
    static var shared: Installation {
        get throws {
            try Self.made.withLock { made in
                if let made { return made }
                let installation = try Installation()
                made = installation
                return installation
            }
        }
    }

    private init() throws {
        self.directory = try TestDirectory()
        let server = try builtProgram("layoutd")
        let products = server.dropLast("/layoutd".count)
        try mustRun(
            "env",
            ["LAYOUTD_BUILD=\(products)", "\(repository)/Sources/LayoutClientC/install", self.directory.file("prefix")]
        )
    }

    private var prefix: String { self.directory.file("prefix") }

    /// The shared library.
    var library: String { "\(self.prefix)/lib/liblayoutclient.so.0" }
    /// The shim for programs that are not changed.
    var shim: String { "\(self.prefix)/lib/liblayoutpreload.so" }
    /// Of `PKG_CONFIG_PATH`.
    var packages: String { "\(self.prefix)/lib/pkgconfig" }

    /// Compiles one of the programs beside the tests, without a warning, and returns where it is.
    ///
    /// - Parameters:
    ///   - name: With its extension.
    ///   - compiler: The compiler and its options.
    ///   - usesLibrary: Whether it is linked with the library.
    func compile(_ name: String, _ compiler: [String], usesLibrary: Bool = true) throws -> String {
        let program = self.directory.file("\(name)-\(compiler.joined().filter { $0.isLetter || $0.isNumber })")
        // The compiler's own options last: they may take one of these back.
        var arguments = Array(compiler.prefix(1)) + ["-pedantic", "-Wall", "-Wextra", "-Werror", "-g", "-pthread"]
        arguments += compiler.dropFirst()
        arguments += ["\(programs)/\(name)", "-o", program]
        arguments += try self.flags("--cflags")
        if usesLibrary { arguments += try self.flags("--libs") + ["-Wl,-rpath,\(self.prefix)/lib"] }
        try mustRun("env", arguments)
        return program
    }

    private func flags(_ which: String) throws -> [String] {
        let result = try runProcess("env", ["PKG_CONFIG_PATH=\(self.packages)", "pkg-config", which, "layoutclient"])
        guard result.status == 0 else { throw TestFailure("pkg-config: \(result.output)") }
        return result.output.split(whereSeparator: \.isWhitespace).map { String($0) }
    }
}

/// The repository's directory.
let repository = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/")

private let programs = "\(repository)/Tests/LayoutClientCTests/Programs"

/// The options of C that the programs are written for.
let gnuC = ["gcc", "-std=gnu11", "-O1"]
