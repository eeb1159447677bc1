import Testing

@Suite struct ImportTests {
    @Test func modulesImportOnlyWhatTheMapAllows() throws {
        let files = try Repository.files { $0.hasSuffix(".swift") }
        expectNone(files.flatMap(ImportMap.violations(in:)))
        #expect(files.contains { !ImportMap.imports(of: $0).isEmpty })
    }

    @Test func theMapNamesOnlyModulesThatExist() throws {
        let directories = Set(
            try Repository.paths(.present).compactMap { path -> String? in
                let components = path.split(separator: "/")
                guard components.count > 2, ["Sources", "Examples"].contains(components[0]) else { return nil }
                return String(components[1])
            }
        )
        for module in ImportMap.allowed.keys.sorted() {
            #expect(directories.contains(module), "the import map allows for \(module), which is not there; remove it")
        }
    }

    @Test(arguments: [
        "import Foundation", "package import Glibc", "@testable import LeaseEngine", "import struct Foundation.Date",
        "@preconcurrency public import NIOCore",
    ])
    func aForbiddenImportIsSeen(_ line: String) {
        let file = TextFile(path: "Sources/LayoutCore/Some.swift", text: "/// Words.\n\(line)\n")
        #expect(ImportMap.violations(in: file).map(\.line) == [2])
    }

    @Test(arguments: [
        "// import Foundation", "let text = \"import Foundation\"", "/* import A */", "func important() {}",
    ])
    func proseIsNoImport(_ line: String) {
        let file = TextFile(path: "Sources/LayoutCore/Some.swift", text: line)
        #expect(ImportMap.violations(in: file).isEmpty)
    }

    @Test func aModuleThatTheMapDoesNotKnowIsSeen() {
        let file = TextFile(path: "Sources/Utilities/Some.swift", text: "")
        #expect(ImportMap.violations(in: file).count == 1)
    }
}
