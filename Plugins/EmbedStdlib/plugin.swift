import Foundation
import PackagePlugin

/// Embeds the Lua files of `stdlib/` in the target, and again when one of them changes.
@main
struct EmbedStdlib: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
    let folder = context.package.directoryURL.appending(path: "stdlib")
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".lua") && !$0.hasPrefix("meta/") && !$0.hasPrefix("examples/") }
      .sorted()
      .map { folder.appending(path: $0) }
    let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedStandardLibrary.swift")
    return [
      .buildCommand(
        displayName: "Embedding stdlib",
        executable: try context.tool(named: "embed-stdlib").url,
        arguments: [output.path, folder.path] + files.map(\.path),
        inputFiles: files, outputFiles: [output])
    ]
  }
}
