import Glibc
import TestSupport
import Testing

/// The examples, run as their first lines say.
@Suite struct ExampleTests {
    @Test("the example in C keeps its pointer to a record while the file is changed")
    func runsInC() throws {
        let server = try RunningServer(on: TestFileSystems.images.first ?? .plain)
        let installation = try Installation.shared
        let output = try TestDirectory()
        try mustRun(
            "env",
            [
                "PKG_CONFIG_PATH=\(installation.packages)", "make", "--silent", "-C", "\(repository)/Examples/c-abi",
                "OUT=\(output.path)",
            ]
        )
        let result = try run(output.file("c-abi"), [server.url, "example"])
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.contains("asked back: bytes from 8192 of example, for operation 6 of c-abi"))
        #expect(result.output.contains("still there: hello\n1 MiB further up: hello\n"))
    }

    @Test("the example in Python keeps its view of a record while the file is changed")
    func runsInPython() throws {
        let server = try RunningServer(on: TestFileSystems.images.first ?? .plain)
        let result = try run(
            "python3",
            ["-B", "\(repository)/Examples/python/example.py", server.url, "example"],
            with: ["LAYOUTCLIENT_LIBRARY=\(try Installation.shared.library)"]
        )
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.contains("the view showed the same record all the time"))
    }
}
