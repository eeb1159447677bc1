import Glibc
import TestSupport
import Testing

/// Programs in C that use the library, and check what it does; the rules are in them.
@Suite(.serialized) struct ProgramTests {
    @Test(
        "a program in C reads, writes, changes and maps files, and is told what is wrong with bad input",
        arguments: TestFileSystems.available,
        ["files.c", "mappings.c"]
    )
    func endsWell(_ fileSystem: TestFileSystem, _ name: String) throws {
        let server = try RunningServer(on: fileSystem)
        let program = try Installation.shared.compile(name, gnuC)
        try expect(program, [server.url], toSay: "all right\n")
    }

    @Test("threads, forks and handlers for SIGSEGV of a foreign process go on as they did [F3, F7]")
    func livesInAForeignProcess() throws {
        let server = try RunningServer(on: .plain)
        let program = try Installation.shared.compile("process.c", gnuC)
        try expect(program, [server.url], toSay: "all right\n")
    }

    @Test("a program that was not linked with the library loads it while it runs")
    func isLoaded() throws {
        let server = try RunningServer(on: .plain)
        let program = try Installation.shared.compile(
            "loader.c",
            gnuC + ["-Wno-pedantic"],
            usesLibrary: false
        )
        try expect(program, [server.url, try Installation.shared.library], toSay: "all right\n")
    }

    // Without its search for leaks: the Swift runtime marks its pointers in bits, so that it takes what they point to for lost.
    @Test(
        "AddressSanitizer finds nothing in a program that uses the library",
        arguments: ["files.c", "mappings.c"]
    )
    func isCleanUnderAddressSanitizer(_ name: String) throws {
        let server = try RunningServer(on: .plain)
        let program = try Installation.shared.compile(name, gnuC + ["-fsanitize=address,undefined"])
        try expect(
            program,
            [server.url],
            with: ["ASAN_OPTIONS=detect_leaks=0", "UBSAN_OPTIONS=halt_on_error=1"],
            toSay: "all right\n"
        )
    }
}
