// SPDX-License-Identifier: MIT
import QtQuick
import QtQuick.Controls
import QtQuick.Layouts
import GoProcess

/*!
    Appears over the window when closing \l process lasts longer than \l delay, and says how far it is
    and what is still open. It goes when the process is closed.

    The window gets no input meanwhile.
*/
Popup {
    id: root

    /*! The process whose close it shows. */
    property alias process: monitor.process
    /*! Milliseconds that a close may last without it. */
    property int delay: 300
    /*! True while the process closes, from its first moment on. */
    readonly property bool isClosing: monitor.total > 0 && monitor.progress < 1

    readonly property int __open: monitor.total - monitor.closed

    parent: Overlay.overlay
    anchors.centerIn: parent
    modal: true
    focus: true
    closePolicy: Popup.NoAutoClose
    margins: metrics.height
    padding: metrics.height

    onIsClosingChanged: {
        if (!isClosing)
            close();
    }

    CloseMonitor {
        id: monitor
    }

    Timer {
        interval: root.delay
        running: root.isClosing
        onTriggered: root.open()
    }

    FontMetrics {
        id: metrics

        font: root.font
    }

    ColumnLayout {
        anchors.fill: parent
        spacing: metrics.height / 2

        LayoutMirroring.enabled: Application.layoutDirection === Qt.RightToLeft
        LayoutMirroring.childrenInherit: true
        Accessible.role: Accessible.AlertMessage
        Accessible.name: heading.text
        Accessible.description: summary.text

        Label {
            id: heading

            text: qsTr("Closing…")
            font.bold: true
            font.pointSize: root.font.pointSize * 1.2
            Layout.fillWidth: true
        }

        ProgressBar {
            value: monitor.progress
            Accessible.name: heading.text
            Layout.fillWidth: true
            Layout.preferredWidth: metrics.averageCharacterWidth * 50
        }

        Label {
            id: summary

            text: qsTr("%1 of %2 closed, %3 s").arg(monitor.closed).arg(monitor.total)
                .arg(Math.floor(monitor.elapsed / 1000))
            wrapMode: Text.Wrap
            Layout.fillWidth: true
        }

        Label {
            text: qsTr("Still open:")
            visible: paths.count > 0
            Layout.fillWidth: true
        }

        ListView {
            id: paths

            model: monitor.remaining
            clip: true
            activeFocusOnTab: true
            focus: true
            boundsBehavior: Flickable.StopAtBounds
            implicitHeight: metrics.height * 6
            Accessible.role: Accessible.List
            Accessible.name: qsTr("Still open")
            Layout.fillWidth: true
            Layout.fillHeight: true

            ScrollBar.vertical: ScrollBar { }

            delegate: Label {
                required property string modelData

                width: ListView.view.width
                text: modelData
                elide: Text.ElideMiddle
                Accessible.role: Accessible.ListItem
                Accessible.name: modelData
            }
        }

        Label {
            readonly property int more: root.__open - paths.count

            text: qsTr("and %n more", "", more)
            opacity: more > 0 ? 1 : 0 // keeps its place
            Layout.fillWidth: true
        }
    }
}
