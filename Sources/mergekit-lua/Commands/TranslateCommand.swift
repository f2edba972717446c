import ArgumentParser
import Basics
import ConfigRecipes
import Configs
import Glibc
import Logging
import Lua
import Scripting
import SystemPackage

/// `mergekit-lua translate CONFIG [-o FILE]`: prints the recipe that a config stands for.
struct TranslateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "translate", abstract: "Print the recipe that a config stands for.",
    usage: "mergekit-lua translate <config> [--output <file>] [--strict] [<options>]")

  @Argument(help: "The config, a YAML file.", completion: .file(extensions: ["yml", "yaml"]))
  var config: String

  @Option(
    name: [.short, .long],
    help: ArgumentHelp("Write the recipe there; best beside the config.", valueName: "file"),
    completion: .file(extensions: ["lua"]))
  var output: String?

  @OptionGroup var options: ConfigOptions

  @OptionGroup var script: ScriptOptions

  func run() throws {
    let text = try ConfigRecipe.read(config)
    let logger = Logger.make(level: .info)
    let host = try ScriptHost.make(
      root: FilePath(config).removingLastComponent().string, options: script.hostOptions(),
      report: EventLog(logger).report)
    let recipe = try ConfigRecipe(path: config, bytes: text, host: host, options: options.translation)
    for finding in recipe.translation.findings { Terminal.report(finding, .warning) }
    guard let output else { return print(recipe.translation.recipe, terminator: "") }
    try write(recipe.translation.recipe, to: FilePath(output))
  }

  private func write(_ text: String, to path: FilePath) throws {
    if let source = try? FilePath(config).stat(), let target = try? path.stat() {
      if target.deviceID == source.deviceID, target.inode == source.inode {
        throw LuaError("cannot write \(path): it is the config")
      }
      if target.type == .regular, target.size > 0, try !isTranslation(path) {
        throw LuaError("cannot write \(path): it is no recipe that translate wrote, and is kept")
      }
    }
    try writeFile(Array(text.utf8), to: path)
  }

  /// Whether a file begins as translations do.
  private func isTranslation(_ path: FilePath) throws -> Bool {
    try ScriptFile.read(path.string).starts(with: Translation.firstWords.utf8)
  }
}
