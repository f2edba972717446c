import ArgumentParser
import Basics
import Configs
import Merging
import Scripting
import SystemPackage

/// A command that makes a config of its options, and runs it.
struct GeneratedConfig {
  /// What messages call the config.
  let name: String
  let text: String

  init(_ config: JSON, of command: any ParsableCommand.Type) {
    name = command.configuration.commandName ?? ""
    text = ConfigText.text(config)
  }

  /// Runs the config. With `--dry-run` it prints the plan, but for a config that is printed itself.
  func run(
    to out: String?, _ printing: ConfigPrinting, _ merge: MergeOptions, _ compatibility: CompatibilityOptions
  ) throws {
    if printing.printYaml { print(text, terminator: "") }
    if let path = printing.writeYaml { try writeFile(Array(text.utf8), to: FilePath(path)) }
    if merge.dryRun, printing.printYaml { return }
    try MergeRun(
      file: name, destination: .result(out), options: merge, compatibility: compatibility, policy: .overlay
    ).run(Array(text.utf8), .yaml)
  }
}

/// Where the config of a command goes, beside the output.
struct ConfigPrinting: ParsableArguments {
  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Print the config.")
  var printYaml = false

  @Option(
    help: ArgumentHelp("Write the config there.", valueName: "file"), completion: .file(extensions: ["yml"]))
  var writeYaml: String?
}

/// Options of the commands whose place the program takes that make a config of their options.
struct GeneratingOptions: ParsableArguments {
  @OptionGroup var output: DropInOutput

  @OptionGroup var printing: ConfigPrinting

  @OptionGroup(title: "Merge options") var merge: MergeOptions

  @OptionGroup(title: "Compatibility options") var compatibility: CompatibilityOptions

  func validate() throws {
    guard output.outPath != nil || merge.dryRun else {
      throw ValidationError("Missing expected argument '<out-path>'")
    }
    _ = try compatibility.applied(to: merge.host)
  }

  /// A host that knows methods and opens models.
  func host() throws -> ScriptHost {
    let log = EventLog(merge.host.log.logger)
    return try ScriptHost.make(
      root: "", options: compatibility.applied(to: merge.host).hostOptions(), report: log.report)
  }

  func run(_ config: JSON, of command: any ParsableCommand.Type) throws {
    try GeneratedConfig(config, of: command).run(to: output.outPath, printing, merge, compatibility)
  }
}
