// SPDX-License-Identifier: MIT
import QtQuick
import QtQuick.Controls
import QtQuick.Layouts
import GoProcess

/*!
    The tree of processes below \l process: their names, their states by colour and by word, and how
    long they have been in them.

    Cursor keys move through it and open and close branches.
*/
Control {
    id: root

    /*! The process below which it shows all; all processes for null. */
    property alias process: processModel.process
    /*! So many levels are open from the beginning. */
    property int openLevels: 2
    /*! The model that it shows. */
    readonly property alias model: processModel

    property date __now: new Date()
    property var __closedByUser: ({})

    function __stateText(state, error) {
        if (error)
            return qsTr("Failed: %1").arg(error);
        switch (state) {
        case Process.Running:
            return qsTr("Running");
        case Process.Closing:
            return qsTr("Closing");
        case Process.Closed:
            return qsTr("Closed");
        }
        return "";
    }

    // All of them are told apart on light and on dark ground.
    function __stateColor(state, error) {
        if (error)
            return "#d0342c";
        switch (state) {
        case Process.Running:
            return "#2e9e4f";
        case Process.Closing:
            return "#d08700";
        }
        return "#808080";
    }

    function __elapsedText(since) {
        if (!since)
            return "";
        const seconds = Math.max(0, Math.floor((__now - since) / 1000));
        const minutes = Math.floor(seconds / 60);
        const hours = Math.floor(minutes / 60);
        if (hours > 0)
            return qsTr("%1 h %2 min").arg(hours).arg(minutes % 60);
        if (minutes > 0)
            return qsTr("%1 min %2 s").arg(minutes).arg(seconds % 60);
        return qsTr("%1 s").arg(seconds);
    }

    // Opens the upper levels, but no branch that the user has closed.
    function __openLevels() {
        const rows = Math.min(tree.rows, 200);
        for (let row = 0; row < rows; ++row) {
            if (tree.depth(row) >= root.openLevels || tree.isExpanded(row))
                continue;
            const index = tree.modelIndex(Qt.point(0, row));
            if (!processModel.hasChildren(index))
                continue;
            if (!root.__closedByUser[processModel.data(index, ProcessModel.PathRole)])
                tree.expand(row);
        }
    }

    implicitWidth: metrics.averageCharacterWidth * 60
    implicitHeight: metrics.height * 20
    padding: 0

    ProcessModel {
        id: processModel
    }

    Timer {
        interval: 1000
        repeat: true
        running: root.visible
        triggeredOnStart: true
        onTriggered: root.__now = new Date()
    }

    FontMetrics {
        id: metrics

        font: root.font
    }

    background: Rectangle {
        color: root.palette.base
        border.color: root.visualFocus ? root.palette.highlight : root.palette.mid
    }

    contentItem: ColumnLayout {
        spacing: 0

        LayoutMirroring.enabled: Application.layoutDirection === Qt.RightToLeft
        LayoutMirroring.childrenInherit: true

        HorizontalHeaderView {
            syncView: tree
            clip: true
            Layout.fillWidth: true
            Layout.margins: 1
        }

        TreeView {
            id: tree

            model: processModel
            clip: true
            activeFocusOnTab: true
            focus: true
            boundsBehavior: Flickable.StopAtBounds
            selectionModel: ItemSelectionModel {
                model: processModel
            }
            columnWidthProvider: column => {
                const narrow = metrics.averageCharacterWidth * 14;
                return column === ProcessModel.NameColumn ? Math.max(narrow, width - 2 * narrow)
                                                          : narrow;
            }
            Accessible.role: Accessible.Tree
            Accessible.name: qsTr("Processes")
            Layout.fillWidth: true
            Layout.fillHeight: true
            Layout.margins: 1

            onWidthChanged: forceLayout()
            onRowsChanged: Qt.callLater(root.__openLevels) // after the layout
            onExpanded: row => delete root.__closedByUser[path(row)]
            onCollapsed: row => root.__closedByUser[path(row)] = true

            function path(row) {
                return processModel.data(tree.modelIndex(Qt.point(0, row)), ProcessModel.PathRole);
            }

            ScrollBar.vertical: ScrollBar { }

            delegate: TreeViewDelegate {
                id: cell

                required property int column

                readonly property bool isProcess: !model.more
                readonly property color textColor: highlighted ? palette.highlightedText
                                                               : palette.windowText

                text: {
                    switch (column) {
                    case ProcessModel.StateColumn:
                        return root.__stateText(model.state, model.error);
                    case ProcessModel.SinceColumn:
                        return root.__elapsedText(model.since);
                    }
                    return model.display ?? "";
                }
                Accessible.role: Accessible.TreeItem
                Accessible.name: text
                Accessible.description: isProcess ? root.__stateText(model.state, model.error) : ""
                ToolTip.visible: hovered && isProcess
                ToolTip.delay: 700
                ToolTip.text: {
                    const lines = [model.path];
                    if (model.error)
                        lines.push(model.error);
                    if (model.waitsFor?.length > 0)
                        lines.push(qsTr("Waits for %1").arg(model.waitsFor.join(", ")));
                    lines.push(qsTr("Thread %1").arg(model.thread));
                    return lines.join("\n");
                }

                // While it waits for another row, nobody shall read it out.
                TableView.onPooled: visible = false
                TableView.onReused: visible = true

                contentItem: RowLayout {
                    spacing: metrics.averageCharacterWidth / 2

                    Rectangle {
                        visible: cell.column === ProcessModel.StateColumn && cell.isProcess
                        color: root.__stateColor(cell.model.state, cell.model.error)
                        radius: width / 2
                        implicitWidth: metrics.height / 2
                        implicitHeight: implicitWidth
                    }

                    Label {
                        text: cell.text
                        color: cell.textColor
                        font.italic: !cell.isProcess
                        elide: Text.ElideRight
                        Accessible.ignored: true
                        Layout.fillWidth: true
                    }
                }
            }
        }
    }
}
