// SPDX-License-Identifier: MIT
import QtQuick
import QtQuick.Controls
import QtQuick.Layouts
import GoProcess

/*!
    A cell of \l ProcessTreeView.
*/
TreeViewDelegate {
    id: cell

    required property int column

    readonly property bool isProcess: !cell.model.more
    readonly property string stateText: {
        if (cell.model.error)
            return qsTr("Failed: %1").arg(cell.model.error);
        switch (cell.model.state) {
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
    readonly property color stateColor: {
        if (cell.model.error)
            return "#d0342c";
        switch (cell.model.state) {
        case Process.Running:
            return "#2e9e4f";
        case Process.Closing:
            return "#d08700";
        }
        return "#808080";
    }
    property date now: new Date()
    /// Where the content begins, seen from where one begins to read.
    readonly property real contentStart: cell.leftMargin + (cell.isTreeNode
        ? cell.depth * cell.indentation + (cell.indicator ? cell.indicator.width + cell.spacing : 0)
        : 0)

    function durationText(since) {
        const seconds = Math.max(0, Math.floor((cell.now - since) / 1000));
        const minutes = Math.floor(seconds / 60);
        const hours = Math.floor(minutes / 60);
        if (hours > 0)
            return qsTr("%1 h %2 min").arg(hours).arg(minutes % 60);
        if (minutes > 0)
            return qsTr("%1 min %2 s").arg(minutes).arg(seconds % 60);
        return qsTr("%1 s").arg(seconds);
    }

    text: {
        switch (cell.column) {
        case ProcessModel.StateColumn:
            return cell.stateText;
        case ProcessModel.SinceColumn:
            return cell.isProcess ? cell.durationText(cell.model.since) : "";
        }
        return cell.model.display ?? "";
    }
    // The styles of Qt give a mirrored cell the width of its text, so that a long one loses its beginning.
    leftPadding: cell.mirrored ? cell.rightMargin : cell.contentStart
    rightPadding: cell.mirrored ? cell.contentStart : cell.rightMargin
    // The table is mirrored as a picture is, so that columns follow: its cells are mirrored back.
    transform: Scale {
        origin.x: cell.width / 2
        xScale: cell.mirrored ? -1 : 1
    }
    Accessible.role: Accessible.TreeItem
    Accessible.name: cell.text
    Accessible.description: cell.stateText

    // While it waits for another row, nobody shall read it out.
    TableView.onPooled: cell.visible = false
    TableView.onReused: {
        cell.now = new Date();
        cell.visible = true;
    }

    ToolTip.visible: cell.hovered && cell.isProcess
    ToolTip.delay: 700
    ToolTip.text: {
        const lines = [cell.model.path];
        if (cell.model.error)
            lines.push(cell.model.error);
        if (cell.model.waitsFor?.length > 0)
            lines.push(qsTr("Waits for %1").arg(cell.model.waitsFor.join(", ")));
        lines.push(qsTr("Thread %1").arg(cell.model.thread));
        return lines.join("\n");
    }

    Timer {
        interval: 1000
        repeat: true
        running: cell.visible && cell.isProcess && cell.column === ProcessModel.SinceColumn
        onTriggered: cell.now = new Date()
    }

    contentItem: RowLayout {
        spacing: cell.spacing

        Rectangle {
            visible: cell.column === ProcessModel.StateColumn && cell.isProcess
            color: cell.stateColor
            radius: width / 2
            implicitWidth: cell.font.pixelSize * 0.6
            implicitHeight: implicitWidth
        }

        Label {
            text: cell.text
            color: cell.highlighted ? cell.palette.highlightedText : cell.palette.windowText
            font.italic: !cell.isProcess
            elide: Text.ElideRight
            horizontalAlignment: Text.AlignLeft // said, so that it is mirrored
            Accessible.ignored: true
            Layout.fillWidth: true
        }
    }
}
