import Lua

/// How well an adapter says the difference of two models: the part of its norm that is lost, by layer and module.
struct ExtractionReport {
  /// A module of the adapter, with the norms of the difference and of what is lost of it.
  struct Module {
    var name: String
    var layer: Int?
    var rank: Int
    var change: Double
    var error: Double
  }

  private let modules: [Module]

  init(_ modules: [Module]) { self.modules = modules }

  /// The modules in the list on top of the stack.
  static func read(_ lua: LuaState) throws -> [Module] {
    var found: [Module] = []
    try lua.forEachElement(at: lua.absolute(-1)) { _ in
      let entry = lua.absolute(-1)
      found.append(
        Module(
          name: try lua.field("name", at: entry).string ?? "",
          layer: try lua.field("layer", at: entry).integer,
          rank: try lua.field("rank", at: entry).integer ?? 0,
          change: try lua.field("change", at: entry).number ?? .nan,
          error: try lua.field("error", at: entry).number ?? .nan))
    }
    return found
  }

  /// A line for each layer with a column for each of its modules, and lines for the modules outside of layers.
  var text: String {
    var columns: [String] = []
    var rows: [(name: String, cells: [String: Module])] = []
    for module in modules {
      let (row, column) = Self.place(module)
      if !columns.contains(column) { columns.append(column) }
      if rows.last?.name != row, !rows.contains(where: { $0.name == row }) { rows.append((row, [:])) }
      rows[rows.firstIndex { $0.name == row }!].cells[column] = module
    }
    let titles = columns.map { Self.title(of: $0, among: columns) }
    var table = TextTable(
      header: ["lost, in % of the change"] + titles + ["all"], rightAligned: Set(1..<columns.count + 2))
    for row in rows {
      let cells = columns.map { column in row.cells[column].map { Self.share(of: [$0]) } ?? "" }
      table.add([row.name] + cells + [Self.share(of: Array(row.cells.values))])
    }
    let all = columns.map { column in Self.share(of: rows.compactMap { $0.cells[column] }) }
    table.add(["all"] + all + [Self.share(of: modules)])
    let ranks = modules.map(\.rank)
    let (least, most) = (ranks.min() ?? 0, ranks.max() ?? 0)
    let words = least == most ? "rank \(most)" : "ranks \(least) to \(most)"
    return "\(table.text)\n\n\(Numbers.counted(modules.count, "module")), \(words)"
  }

  /// The layer and what is within it; a module outside of layers by itself.
  private static func place(_ module: Module) -> (row: String, column: String) {
    let parts = module.name.split(separator: ".")
    guard let layer = module.layer, let place = parts.firstIndex(of: Substring(String(layer))) else {
      return (module.name, "")
    }
    return (parts[...place].joined(separator: "."), parts[(place + 1)...].joined(separator: "."))
  }

  /// The last part of a column's name, unless another column has it, too.
  private static func title(of column: String, among columns: [String]) -> String {
    func last(_ name: String) -> Substring { name.split(separator: ".").last ?? "" }
    return columns.contains { $0 != column && last($0) == last(column) } ? column : String(last(column))
  }

  private static func share(of modules: [Module]) -> String {
    func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    let (change, error) = (norm(modules.map(\.change)), norm(modules.map(\.error)))
    guard change > 0 else { return "" }
    let share = 100 * error / change
    return share < 0.005 ? "0" : Numbers.fixed(share, 2)
  }
}
