import Foundation
import Glibc
import TestSupport
import Testing

/// Runs each benchmark with the smallest counts: what it finds is not looked at, only that it finds all of it.
@Suite("The benchmarks run, and write results that can be read", .serialized)
struct BenchmarkTests {
    /// A benchmark, and how it is made short.
    struct Benchmark: CustomTestStringConvertible, Sendable {
        let command: String
        let options: [String]
        /// The reports that it prints.
        let reports: [String]

        var testDescription: String { self.command }

        static let all = [
            Benchmark(
                command: "roundtrip",
                options: ["--calls", "20", "--idle", "20"],
                reports: ["roundtrip", "idle"]
            ),
            Benchmark(command: "throughput", options: ["--calls", "20"], reports: ["throughput"]),
            Benchmark(
                command: "recall",
                options: ["--holders", "10", "--touched", "4096"],
                reports: ["recall"]
            ),
            Benchmark(command: "scale", options: ["--layouts", "1000", "--extents", "10000"], reports: ["scale"]),
            Benchmark(command: "io", options: [], reports: ["io"]),
            Benchmark(command: "pointer", options: [], reports: ["pointer"]),
        ]
    }

    @Test("each of them writes figures and ratios with their rounds", arguments: Benchmark.all)
    func each(_ benchmark: Benchmark) throws {
        let directory = try TestDirectory()
        let reports = try Self.run(benchmark.command, benchmark.options, in: directory)
        #expect(reports.map { $0["name"] as? String } == benchmark.reports)
        for report in reports { try Self.check(report) }
    }

    @Test(
        "what the guard costs is measured against a bare listener",
        .enabled(if: geteuid() == 0, "only root can listen for accesses")
    )
    func guardCost() throws {
        let directory = try TestDirectory()
        for report in try Self.run("guard", [], in: directory) { try Self.check(report) }
    }

    @Test("a report is one page, with every figure in it and nothing to fetch")
    func page() throws {
        let directory = try TestDirectory()
        let (results, page) = (directory.file("results.json"), directory.file("page.html"))
        let output = try Self.output("scale", ["--layouts", "1000", "--extents", "1000"], in: directory)
        try output.write(toFile: results, atomically: true, encoding: .utf8)
        try mustRun(builtProgram("layout-bench"), ["report", results, "-o", page])
        let html = try String(contentsOfFile: page, encoding: .utf8)
        #expect(html.hasPrefix("<!DOCTYPE html>"))
        #expect(html.contains("memory per layout, 1,000 held"))
        #expect(html.contains("<svg"))
        for fetched in ["<script", "src=", "http:", "https:", "@import", "url("] { #expect(!html.contains(fetched)) }
    }

    @Test("what is no result is refused with the remedy", arguments: ["", "[", "[{}]", "{\"name\": 1}", "[]"])
    func refusals(_ text: String) throws {
        let directory = try TestDirectory()
        let (results, page) = (directory.file("results.json"), directory.file("page.html"))
        try text.write(toFile: results, atomically: true, encoding: .utf8)
        let result = try runProcess(builtProgram("layout-bench"), ["report", results, "-o", page])
        #expect(result.status != 0)
        #expect(result.output.contains("--json"))
        #expect(unsafe access(page, F_OK) != 0)
    }

    // MARK: Helpers

    private static func output(_ command: String, _ options: [String], in directory: TestDirectory) throws -> String {
        let common = [
            "--json", "--rounds", "2", "--directory", directory.path, "--server-binary", try builtProgram("layoutd"),
        ]
        let result = try runProcess(builtProgram("layout-bench"), [command] + options + common)
        guard result.status == 0 else { throw TestFailure("\(command) ended with \(result.status): \(result.output)") }
        // Standard error comes with it, where a program has said something.
        return result.output.split(separator: "\n").first { $0.hasPrefix("[{") }.map(String.init) ?? result.output
    }

    private static func run(
        _ command: String,
        _ options: [String],
        in directory: TestDirectory
    ) throws -> [[String: Any]] {
        let data = Data(try Self.output(command, options, in: directory).utf8)
        return try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    }

    private static func check(_ report: [String: Any]) throws {
        #expect((report["method"] as? String)?.isEmpty == false)
        #expect((report["load_average"] as? [Double])?.count == 2)
        let figures = try #require(report["figures"] as? [[String: Any]])
        let ratios = try #require(report["ratios"] as? [[String: Any]])
        #expect(!figures.isEmpty)
        for figure in figures { #expect((figure["unit"] as? String)?.isEmpty == false) }
        for line in figures + ratios {
            let name = try #require(line["name"] as? String)
            let rounds = try #require(line["rounds"] as? [Double], "\(name) has a round without a number")
            #expect(!rounds.isEmpty, "\(name) has no rounds")
            let (least, median) = (line["min"] as? Double, line["median"] as? Double)
            let greatest = line["max"] as? Double
            #expect(least == rounds.min() && greatest == rounds.max(), "\(name) has another spread than its rounds")
            #expect(try #require(median) >= #require(least) && #require(median) <= #require(greatest))
            #expect(line.keys.contains("goal_max") && line.keys.contains("met"))
        }
    }
}
