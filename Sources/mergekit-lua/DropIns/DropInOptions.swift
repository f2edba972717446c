import ArgumentParser
import ConfigRecipes
import Merging
import SystemPackage

/// What every command takes that stands in the place of one of mergekit's: a config, and options.
///
/// An output that exists is written into, as mergekit does.
struct DropInOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The config.", valueName: "config-file"),
    completion: .file(extensions: ["yml", "yaml"]))
  var configFile: String

  @OptionGroup(title: "Merge options") var merge: MergeOptions

  @OptionGroup(title: "Compatibility options") var compatibility: CompatibilityOptions

  func validate() throws {
    if FilePath(configFile).extension == "lua" {
      throw ValidationError("\(configFile) is a recipe: mergekit-lua runs it")
    }
    _ = try compatibility.applied(to: merge.host)
  }

  /// Fails if an output is missing that only a plan does without.
  func require(outPath: String?) throws {
    guard outPath != nil || merge.dryRun else {
      throw ValidationError("Missing expected argument '<out-path>'")
    }
  }

  /// Runs the config.
  ///
  /// - Parameter change: Sets what is special about the command.
  func run(to destination: MergeRun.Destination, _ change: (inout MergeRun) -> Void = { _ in }) throws {
    try run(ConfigRecipe.read(configFile), to: destination, change)
  }

  /// Runs the config, whose text has been read.
  func run(
    _ text: [UInt8], to destination: MergeRun.Destination, _ change: (inout MergeRun) -> Void = { _ in }
  ) throws {
    var run = MergeRun(
      file: configFile, destination: destination, options: merge, compatibility: compatibility,
      policy: .overlay)
    change(&run)
    try run.run(text, .yaml)
  }
}

/// The output of a command that writes one model.
struct DropInOutput: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "The directory to write, or a file that ends in .safetensors; not needed with --dry-run.",
      valueName: "out-path"),
    completion: .directory)
  var outPath: String?
}
