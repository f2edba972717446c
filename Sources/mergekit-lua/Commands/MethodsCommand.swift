import ArgumentParser
import Configs
import Lua
import Scripting

/// `mergekit-lua methods [NAME [--source]]`: lists the merge methods, or shows one.
struct MethodsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "methods", abstract: "List the merge methods with their parameters, or show one.")

  @Argument(help: "A method's name, or a file that has one.")
  var name: String?

  @Flag(help: "Print the method's Lua.")
  var source = false

  @OptionGroup var host: HostOptions

  func validate() throws {
    if source, name == nil { throw ValidationError("--source needs the name of a method") }
  }

  func run() throws {
    let options = try host.hostOptions()
    let script = try ScriptHost.make(root: "", options: options, report: EventLog(host.log.logger).report)
    let describe = #"local describe = require "mergekit.describe""#
    if source, let name {
      if let text = options.standardLibrary.text(of: "methods/\(name).lua") {
        return print(text, terminator: "")
      }
      if name.hasSuffix(".lua") {
        return print(String(decoding: try ScriptFile.read(name), as: UTF8.self), terminator: "")
      }
    }
    if let name {
      _ = try script.evaluate("\(describe); describe.method(\(quotedString(name)))", name: "methods")
    } else {
      _ = try script.evaluate("\(describe); describe.all()", name: "methods")
    }
  }
}
