import ArgumentParser

/// The project's benchmarks: each figure beside the floor that it can be compared with.
@main
struct LayoutBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layout-bench",
        abstract: "Measures layoutd against what the same machine does without it.",
        discussion: """
            HOW TO READ THE NUMBERS

            Times differ between machines and moments, so the figures that count are ratios to a floor: the least that \
            anybody could do in its place, measured in the same run. What is compared is measured in turns, round by \
            round; a ratio is taken in each round, and the table shows the median of them, with the least and greatest. \
            'unclear' is a goal that the middle half of the rounds lies on both sides of: the machine was too busy \
            (look at the load average), or the goal too near; measure again, with more --rounds. Warm-up rounds are not \
            counted. The clock is CLOCK_MONOTONIC, the scheduling class the usual one. All processes share a CPU unless \
            --pin says otherwise: left free, a server can end up where waking it costs more than the call.

            roundtrip  LAYOUTGET of a range that is held and whose extents are remembered, to a 'layoutd serve' of its \
            own over a Unix socket, from a plain blocking socket. The floor is libtirpc on both sides: clnt_call of \
            NULL to svc_run. Goal: at most 2. 'same plain socket' compares the servers alone.

            pointer    Loads and stores through a leased pointer of the client library. The floor is mmap(2) of the \
            same file. Goal: at most 1.02. 'plain again' shows what is noise. Then the price of a guarded access.

            engine     The lease engine alone, without I/O: grants and returns, changes with many holders, files with \
            many layouts. Its floors are a dictionary's insertion and removal, and its own smallest case.

            Build with optimisation: swift build -c release.
            """,
        subcommands: [
            RoundTripCommand.self, PointerCommand.self, EngineCommand.self, AllCommand.self, RPCPeer.self,
        ]
    )
}

/// `layout-bench roundtrip`.
struct RoundTripCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roundtrip",
        abstract: "Times LAYOUTGET, SEQUENCE and NULL over a Unix socket, against libtirpc."
    )

    @OptionGroup var options: CommonOptions
    @OptionGroup var calls: CallOptions

    func run() async throws {
        try self.options.print([try await self.calls.run(self.options)])
    }
}

/// How many calls a round of `roundtrip` has.
struct CallOptions: ParsableArguments, Sendable {
    @Option(help: "Calls of each kind in each round of 'roundtrip'.")
    var calls = 1000

    func validate() throws {
        guard (1...1_000_000).contains(self.calls) else { throw ValidationError("--calls takes 1 to 1000000") }
    }

    func run(_ options: CommonOptions) async throws -> Report {
        let benchmark = RoundTrip(options: options, calls: self.calls)
        return try await MeasuringThread.run { try benchmark.run() }
    }
}

/// `layout-bench pointer`.
struct PointerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pointer",
        abstract: "Times loads and stores through a leased pointer, against plain mmap."
    )

    @OptionGroup var options: CommonOptions

    func run() async throws {
        try self.options.print([try await PointerAccess(options: self.options).run()])
    }
}

/// `layout-bench engine`.
struct EngineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine",
        abstract: "Times the lease engine alone."
    )

    @OptionGroup var options: CommonOptions

    func run() async throws {
        let benchmark = EngineThroughput(options: self.options)
        try self.options.print([try await MeasuringThread.run { try benchmark.run() }])
    }
}

/// `layout-bench all`.
struct AllCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "all", abstract: "Runs every benchmark.")

    @OptionGroup var options: CommonOptions
    @OptionGroup var calls: CallOptions

    func run() async throws {
        let engine = EngineThroughput(options: self.options)
        try self.options.print([
            try await self.calls.run(self.options),
            try await PointerAccess(options: self.options).run(),
            try await MeasuringThread.run { try engine.run() },
        ])
    }
}
