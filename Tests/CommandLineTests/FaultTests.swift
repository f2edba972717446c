import Foundation
import Testing

/// A few of the faults of scripts/check-faults, which tries all: calls of a small merge that fail, or end the
/// program there.
@Suite struct FaultTests {
  let tool: Tool

  init() throws {
    tool = try Tool()
    for (name, weight) in [("old", "0.5"), ("new", "2")] {
      try tool.write(
        """
        merge_method: linear
        models:
          - {model: \(tool.folder)/models/base, parameters: {weight: 1}}
          - {model: \(tool.folder)/models/math, parameters: {weight: \(weight)}}

        """, to: "\(name).yml")
      try tool.write(
        """
        local mk = require "mergekit"
        local base, math_ = mk.model "\(tool.folder)/models/base", mk.model "\(tool.folder)/models/math"
        local function blend(w)
          return mk.merge { method = "linear", models = { { base, weight = 1 }, { math_, weight = w } } }
        end
        return { a = blend(\(weight)), b = blend(\(weight) + 1) }

        """, to: "\(name).lua")
    }
    let source = Tool.repository.appendingPathComponent("Tests/Faults/faults.c").path
    let compiled = try tool.shell("cc -shared -fPIC -O1 -o faults.so \(source) -ldl")
    try #require(compiled == Tool.Outcome(0))
    try FileManager.default.createSymbolicLink(
      atPath: tool.path("mergekit-yaml"), withDestinationPath: Tool.binary)
  }

  enum Way: String, CaseIterable {
    case fresh, force, overlay, link, several
  }

  /// A way of writing an output in a folder of its own.
  private struct Case {
    let tool: Tool
    let way: Way
    let folder: String

    private var file: String { way == .several ? "lua" : "yml" }

    func run(_ name: String, _ options: [String] = [], faults: [String: String] = [:]) throws -> Tool.Outcome
    {
      let isDropIn = way == .overlay && name == "new"
      let variables = faults.map { "\($0)=\($1)" }.joined(separator: " ")
      let preload =
        faults.isEmpty ? "" : "env LD_PRELOAD=\(tool.path("faults.so")) FAULT_BELOW=\(folder) \(variables)"
      let binary = isDropIn ? tool.path("mergekit-yaml") : Tool.binary
      let force = name == "new" && [.force, .link, .several].contains(way) ? ["--force"] : []
      return try tool.shell(
        "cd \(folder) && exec \(preload) \(binary) \(tool.path(name)).\(file) out --quiet -j1 "
          + (force + options).joined(separator: " "))
    }

    /// The folder's files but notes of the runs, with what they hold.
    func state() throws -> [String: Data] {
      var found: [String: Data] = [:]
      for name in try FileManager.default.subpathsOfDirectory(atPath: folder) where !name.hasSuffix(".log") {
        if let data = FileManager.default.contents(atPath: "\(folder)/\(name)") { found[name] = data }
      }
      return found
    }
  }

  private func make(_ way: Way, _ name: String) throws -> Case {
    let folder = tool.path("\(way)-\(name)")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let made = Case(tool: tool, way: way, folder: folder)
    if way != .fresh { #expect(try made.run("old") == Tool.Outcome(0)) }
    if way == .overlay { try tool.write("mine", to: "\(way)-\(name)/out/notes.txt") }
    if way == .link {
      try FileManager.default.moveItem(atPath: "\(folder)/out", toPath: "\(folder)/real")
      try FileManager.default.createSymbolicLink(atPath: "\(folder)/out", withDestinationPath: "real")
    }
    return made
  }

  @Test(arguments: Way.allCases) func nothingIsLostOrMixed(way: Way) throws {
    let first = try make(way, "first")
    let old = try first.state()
    let outcome = try first.run("new", faults: ["FAULT_LOG": "\(first.folder)/calls.log"])
    try #require(outcome == Tool.Outcome(0))
    let new = try first.state()
    #expect(old != new)
    // Those that decide: what has been tried, and the last before it.
    let calls = try #require(tool.text("\(way)-first/calls.log")).split(separator: "\n")
    let deciding = calls.enumerated().filter { _, call in
      ["rename", "fsync", "mkdir", "unlink", "remove"].contains { call.contains(" \($0)") }
    }.map { $0.offset + 1 }
    try #require(deciding.count > 15)
    // What looks at files takes no failure for an absence.
    let looking = calls.enumerated().filter { _, call in
      [" open ", " pread ", " stat ", " lstat ", " opendir "].contains { call.contains($0) }
        && !call.contains(".lua")
    }.map { $0.offset + 1 }
    for (numbers, step, kinds) in [(deciding, 4, ["kill", "always"]), (looking, 5, ["once"])] {
      for (index, number) in numbers.enumerated() where index % step == way.rawValue.count % step {
        try check(way, number, kinds, calls, old, new)
      }
    }
  }

  private func check(
    _ way: Way, _ number: Int, _ kinds: [String], _ calls: [Substring], _ old: [String: Data],
    _ new: [String: Data]
  ) throws {
    for kind in kinds {
      let tried = try make(way, "\(number)-\(kind)")
      let ended = try tried.run("new", faults: ["FAULT_AT": String(number), "FAULT_KIND": kind])
      let plan = try tried.run("new", ["--dry-run"])
      #expect(plan.status == 0, "\(calls[number - 1]) \(kind): \(plan.errors)")
      let left = try tried.state()
      #expect(left == old || left == new, "\(calls[number - 1]) \(kind): \(left.keys.sorted())")
      if ended.status == 0 { #expect(left == new, "\(calls[number - 1]) \(kind)") }
      if way == .fresh, left == new { continue }
      let again = try tried.run("new")
      #expect(again == Tool.Outcome(0), "\(calls[number - 1]) \(kind)")
      #expect(try tried.state() == new, "\(calls[number - 1]) \(kind)")
    }
  }
}
