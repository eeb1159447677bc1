import Glibc
import TestSupport
import Testing

/// What a stranger gets: a header, and a library that has its functions and nothing else.
@Suite struct HeaderTests {
    @Test(
        "the header compiles without a warning as C and as C++",
        arguments: [
            ["gcc", "-std=c99", "-x", "c"], ["gcc", "-std=c17", "-x", "c"], ["g++", "-std=c++98", "-x", "c++"],
            ["g++", "-std=c++20", "-x", "c++"],
        ]
    )
    func compiles(_ compiler: [String]) throws {
        let header = "\(repository)/Sources/CLayoutClientABI/include/layoutclient.h"
        try mustRun(
            "env",
            compiler + ["-pedantic", "-Wall", "-Wextra", "-Wstrict-aliasing", "-Werror", "-fsyntax-only", header]
        )
    }

    @Test("a program in C++ links with the library and calls it")
    func isCalledFromCPlusPlus() throws {
        let program = try Installation.shared.compile("header.cpp", ["g++", "-std=c++11"])
        try expect(program, [], toSay: "all right\n")
    }

    @Test("the library exports the functions of its header, with a version, and nothing else")
    func exportsTheHeader() throws {
        let library = try Installation.shared.library
        let symbols = try runProcess("nm", ["--dynamic", "--defined-only", "--extern-only", library]).output
        let exported = symbols.split(separator: "\n").compactMap { line -> String? in
            let words = line.split(separator: " ")
            guard words.count == 3, words[1] != "A" else { return nil }
            return String(words[2])
        }
        let preprocessed = try runProcess(
            "gcc",
            ["-E", "-P", "\(repository)/Sources/CLayoutClientABI/include/layoutclient.h"]
        ).output
        // A declaration of a function: a name, and what it takes. (A typedef begins otherwise.)
        let declared = preprocessed.split(separator: ";").compactMap { declaration -> String? in
            let text = declaration.split(whereSeparator: \.isNewline).joined(separator: " ")
            guard !text.contains("typedef"), let open = text.firstIndex(of: "(") else { return nil }
            let name = text[..<open].split { " *".contains($0) }.last.map { String($0) } ?? ""
            return name.hasPrefix("ll_") ? name : nil
        }
        #expect(declared.count >= 18)
        #expect(Set(exported) == Set(declared.map { "\($0)@@LAYOUTCLIENT_0.1" }))
    }

    @Test("the library needs no library of Swift, and is known by its soname")
    func needsNoRuntime() throws {
        let dynamic = try runProcess("readelf", ["--dynamic", "--wide", try Installation.shared.library]).output
        let needed = dynamic.split(separator: "\n").filter { $0.contains("(NEEDED)") }
        #expect(needed.count > 0)
        #expect(needed.filter { $0.lowercased().contains("swift") || $0.contains("dispatch") } == [])
        #expect(dynamic.contains("Library soname: [liblayoutclient.so.0]"))
        #expect(dynamic.contains("NODELETE"))
    }
}
